"""What holds for every test: no key of the person running them is ever used, and how hard hypothesis tries.

HYPOTHESIS_PROFILE chooses: `quick` while writing, `ci` (the default, and what CI runs), `nightly` for a long search.
"""

import os

from hypothesis import HealthCheck, settings

for _profile, _examples, _steps in (("quick", 25, 20), ("ci", 200, 50), ("nightly", 20_000, 100)):
    settings.register_profile(
        _profile,
        max_examples=_examples,
        stateful_step_count=_steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],  # a slow, shared machine says nothing about the code
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A real key in the environment would let a careless test spend real money.
for _name in [name for name in os.environ if name.upper().endswith(("_API_KEY", "_API_TOKEN", "_AUTH_TOKEN"))]:
    del os.environ[_name]

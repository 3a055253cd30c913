import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from modelroute import __version__
from modelroute.cli import main
from modelroute.testing.server import FaultServer
from tests.cli.conftest import Command


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)


def test_version(modelroute: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"modelroute {__version__}\n"
    assert modelroute("--version").stdout == f"modelroute {__version__}\n"


def test_version_loads_neither_the_router_nor_the_command_line() -> None:
    done = python(
        "import sys; from modelroute.cli import main; main(['--version']);"
        "print([name for name in ('httpx', 'httpx2', 'pydantic', 'typer', 'rich') if name in sys.modules])"
    )
    assert done.stdout.splitlines()[1] == "[]", done.stderr


@pytest.mark.parametrize("module", ["modelroute", "modelroute.cli"])
def test_it_runs_as_a_module(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", module, "--version"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, f"modelroute {__version__}\n", "")


@pytest.mark.parametrize("command", ["ask", "explain"])
@pytest.mark.parametrize(
    ("words", "says"),
    [(("--max-cost", "-1"), "max_cost must not be negative"), (("--max-cost", "cheap"), "cheap")],
)
def test_what_cannot_be_meant_is_said_before_a_key_is_looked_for(
    modelroute: Command, monkeypatch: pytest.MonkeyPatch, command: str, words: tuple[str, ...], says: str
) -> None:
    for name in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    result = modelroute(command, "Hello?", *words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "key" not in result.stderr


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_how_to_install_it(missing: str) -> None:
    done = python(
        f"import sys; sys.modules[{missing!r}] = None\nfrom modelroute.cli import main\nsys.exit(main(['models']))"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'modelroute: the command line is not installed. Install it with: pip install "modelroute[cli]"\n'
    )


def test_a_broken_installation_is_not_taken_for_a_missing_extra() -> None:
    done = python("import sys; sys.modules['pydantic_core'] = None; sys.modules['modelroute.router'] = None\n"
                  "from modelroute.cli import main\nsys.exit(main(['models']))")  # fmt: skip
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_the_installed_script_is_this_main() -> None:
    found = list(entry_points(group="console_scripts", name="modelroute"))
    if not found:
        pytest.skip("the package is not installed")
    assert {script.value for script in found} == {"modelroute.cli:main"}


@pytest.mark.parametrize(
    ("words", "code"), [(["models", "--gap"], 0), (["models", "--nonsense"], 2), (["nonsense"], 2)]
)
def test_main_returns_the_exit_code(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    assert "Traceback" not in capsys.readouterr().err


def test_main_returns_1_for_a_request_that_failed(server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.script("test", ["404"])
    assert main(["ask", "Hello?", "--url", server.url, "--model-name", "test"]) == 1
    assert "not_served" in capsys.readouterr().err


def test_help_names_every_command_in_a_whole_sentence(modelroute: Command) -> None:
    result = modelroute("--help")
    assert result.exit_code == 0
    for name in ("models", "explain", "ask", "demo"):
        (line,) = [line for line in result.stdout.splitlines() if line.split()[:1] == [name]]
        assert line.endswith(".")
        assert not line.endswith("...")
    assert "Commands:" in modelroute().output


@pytest.mark.parametrize("command", ["models", "explain", "ask", "demo"])
def test_each_command_has_help(modelroute: Command, command: str) -> None:
    result = modelroute(command, "-h")
    assert result.exit_code == 0
    assert "--verbose" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_who_leaves_a_listing_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "modelroute.cli", "models"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, timeout=30)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_only_on_a_terminal_that_takes_it(variables: dict[str, str], coloured: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    environment = kept | {"TERM": "xterm-256color"} | variables
    command = [sys.executable, "-m", "modelroute.cli", "models", "--gap"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as running:
        os.close(theirs)
        printed = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux tells that the other side has closed
                break
            if not part:
                break
            printed += part
        assert running.wait(timeout=20) == 0
    os.close(ours)
    assert b"deepseek-v3" in printed
    assert (b"\x1b[3" in printed or b"\x1b[1;3" in printed) is coloured

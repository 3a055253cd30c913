-- ARGV: scopes. Replies four amounts for each, or nothing for one that is not known.
local refusal = lost()
if refusal then return refusal end
expire()
local found = {}
for i = 6, #ARGV do
  local account = account_of(ARGV[i])
  found[i - 5] = account and {spent(account, math.huge), account.reserved, account.total, account.presumed} or false
end
return ok(found)

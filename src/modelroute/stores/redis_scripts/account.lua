-- ARGV: token of the rebuild, scope, total, presumed, then end and amount of buckets. A long account comes in parts.
if call('HGET', KEYS[1], 'rebuilding') ~= ARGV[6] then return {'superseded'} end
local account = account_of(ARGV[7]) or new_account(ARGV[7], math.huge, '0')
account.total, account.presumed, account.period = ARGV[8], ARGV[9], math.huge
for i = 10, #ARGV, 2 do
  account.sum, account.first = put(account.key, account.sum, account.first, tonumber(ARGV[i]), ARGV[i + 1])
end
keep(account)
return {'ok', false, false}

-- ARGV: id, cost, final, sent, tokens or '', whether there is a row, its id, kind, cost, reserved and the rest of it,
-- that rest without accounts or '', then the epoch in which this process was granted money, and of which accounts.
local refusal = lost()
if refusal then return refusal end
local id, cost, final, sent, tokens = ARGV[6], ARGV[7], ARGV[8] == '1', ARGV[9] == '1', tonumber(ARGV[10])
local state = state_of(id)
if state == 'settled' then return ok() end

local entry_id, kind, entry_cost, reserved, row = ARGV[12], ARGV[13], ARGV[14], ARGV[15], ARGV[16]
local has_row = ARGV[11] == '1'
if state == 'held' then
  local found = call('HMGET', reservation_key(id), 'claims', 'counted')
  for _, claim in ipairs(cmsgpack.unpack(found[1])) do
    local account = account_held(claim[1])
    account.reserved = taken(account.reserved, claim[2])
    account.holders = account.holders - 1
    if final and account.holders <= 0 and string.sub(claim[1], 1, #OWN) == OWN then
      drop(claim[1])
    else
      charge(account, cost)
      keep(account)
    end
  end
  for _, counted in ipairs(cmsgpack.unpack(found[2])) do
    local by
    if not sent then
      by = '-' .. counted[3]
    elseif tokens and counted[4] == 'tokens' then
      by = flat(tokens - tonumber(counted[3]))
    end
    if by and by ~= '-0' then change(counted[1], counted[2], by) end
  end
  settled(id)
elseif state == 'presumed' then
  correct(id, cost, reserved, has_row and row)
  has_row = false
else
  -- Set aside before the store was lost and rebuilt: the ledger it was rebuilt from did not know of it yet.
  local forgotten = ARGV[18] ~= '' and tonumber(call('HGET', KEYS[1], 'epoch')) > tonumber(ARGV[18])
  if not forgotten and ARGV[17] ~= '' then row = ARGV[17] end
  for i = 19, forgotten and #ARGV or 0 do
    local account = account_of(ARGV[i])
    if not account then
      account = new_account(ARGV[i], math.huge, '0')
      account.period = math.huge
    end
    charge(account, cost)
    keep(account)
  end
  settled(id)
end
if has_row then append(entry_id, kind, entry_cost, reserved, row) end
wrote()
return ok()

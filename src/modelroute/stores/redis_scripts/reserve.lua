-- ARGV: id, lease, draft row or '', its cost, how many claims, how many rates, the claims, the rates.
local refusal = lost()
if refusal then return refusal end
expire()
local id, lease, row = ARGV[6], tonumber(ARGV[7]) + AHEAD, ARGV[8]
if state_of(id) then return ok('granted') end

local at, claims, rates = 12, {}, {}
for i = 1, tonumber(ARGV[10]) do
  claims[i] = {scope = ARGV[at], limit = ARGV[at + 1], amount = ARGV[at + 2], ends = tonumber(ARGV[at + 3]) + AHEAD,
    rolling = tonumber(ARGV[at + 4])}
  at = at + 5
end
for i = 1, tonumber(ARGV[11]) do
  rates[i] = {scope = ARGV[at], limit = tonumber(ARGV[at + 1]), amount = tonumber(ARGV[at + 2]), counts = ARGV[at + 3],
    seconds = tonumber(ARGV[at + 4])}
  at = at + 5
end

local windows, wanted = {}, {}
for _, rate in ipairs(rates) do
  local amount = (wanted[rate.scope] or 0) + rate.amount
  wanted[rate.scope] = amount
  if amount > rate.limit then return ok('limited', rate.scope, '') end
  local window = windows[rate.scope] or rate_of(rate.scope, rate.seconds)
  windows[rate.scope] = window
  local over = tonumber(window.sum) + amount - rate.limit
  if over > 0 then
    local buckets, freed, wait = buckets_of(window.key), 0, rate.seconds
    table.sort(buckets, function(a, b) return a[1] < b[1] end)
    for _, bucket in ipairs(buckets) do
      freed = freed + tonumber(bucket[3])
      if freed >= over then
        wait = math.max(0, bucket[1] + rate.seconds - NOW)
        break
      end
    end
    return ok('limited', rate.scope, flat(wait))
  end
end

local accounts, amounts, left, order, most = {}, {}, {}, {}, '0'
for _, claim in ipairs(claims) do
  local scope, amount, free = claim.scope, claim.amount, claim.limit
  local account = accounts[scope] or account_of(scope)
  accounts[scope] = account
  if account then free = taken(taken(free, spent(account, claim.rolling)), account.reserved) end
  if exceeds(amount, most) then most = amount end
  if amounts[scope] then
    amount = added(amount, amounts[scope])
    if exceeds(free, left[scope]) then free = left[scope] end
  else
    order[#order + 1] = scope
  end
  amounts[scope], left[scope] = amount, free
  if exceeds(amount, free) then return ok('refused', scope, amount, is_negative(free) and '0' or free) end
end

for _, claim in ipairs(claims) do
  local ends, account = math.max(claim.ends, lease), accounts[claim.scope]
  if not account then
    account = new_account(claim.scope, ends)
    accounts[claim.scope] = account
  elseif account.period == math.huge then
    -- Made anew from the ledger: its first claim says what the ledger does not.
    account.period = nil
    local last = 0
    for _, bucket in ipairs(buckets_of(account.key)) do
      if not claim.rolling then call('HDEL', account.key, bucket[2]) end
      last = math.max(last, bucket[1])
    end
    if claim.rolling then
      ends = math.max(ends, last + claim.rolling)
    else
      call('HDEL', account.key, 'sum', 'first')
    end
    lives(account, ends)
  elseif account.ends < ends then
    lives(account, ends)
  end
  if claim.rolling and (not account.period or account.period < claim.rolling) then account.period = claim.rolling end
end
local held = {}
for i, scope in ipairs(order) do
  local account = accounts[scope]
  account.reserved = added(account.reserved, amounts[scope])
  account.holders = account.holders + 1
  keep(account)
  held[i] = {scope, amounts[scope]}
end
local counted = {}
for i, rate in ipairs(rates) do
  local window, bucket = windows[rate.scope], bucket_end(rate.seconds / BUCKETS)
  window.sum, window.first = put(window.key, window.sum, window.first, bucket, flat(rate.amount))
  call('EXPIRE', window.key, math.ceil(rate.seconds * 2) + 60)
  counted[i] = {window.key, '@' .. flat(bucket), flat(rate.amount), rate.counts}
end
local key = reservation_key(id)
call('HSET', key, 'state', 'held', 'most', most, 'claims', cmsgpack.pack(held), 'counted', cmsgpack.pack(counted))
if row ~= '' then call('HSET', key, 'row', row, 'row_cost', ARGV[9]) end
call('ZADD', LEASES, flat(lease), id)
wrote()
return ok('granted')

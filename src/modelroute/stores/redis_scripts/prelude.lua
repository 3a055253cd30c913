-- What every script begins with: whose clock counts, whether the server still knows what it knew, exact money,
-- accounts, rate windows, leases, the ledger. Every key begins with BASE, whose hash tag keeps them in one slot.
-- KEYS[1] is the epoch. ARGV: known epoch, known mark, '1' to create, now, 'server' or 'caller'; then the script's own.

local BASE = string.sub(KEYS[1], 1, -6)
local LEASES, ENDS = BASE .. 'leases', BASE .. 'ends'
local LEDGER, IDS, OPEN = BASE .. 'ledger', BASE .. 'ledger:ids', BASE .. 'ledger:presumed'
local OWN = 'request:'
local BUCKETS, FINEST = 64, 1
local SETTLED_KEPT, PRESUMED_KEPT = 2 * 86400, 90 * 86400

local call = redis.call
local time = call('TIME')
local MICROS = tonumber(time[1]) * 1000000 + tonumber(time[2])
local NOW, AHEAD = tonumber(ARGV[4]), 0
if ARGV[5] == 'server' then
  local server = MICROS / 1000000
  AHEAD = server - NOW
  NOW = server
end

local function flat(number) return string.format('%.17g', number) end

-- ------------------------------------------------------------------------------------------ what the server remembers

-- Return nothing when the server is the one this process knows, else the reply that says what is wrong. What one
-- process finds lost is marked, so that no other believes what is left.
local function lost()
  local found = call('HMGET', KEYS[1], 'epoch', 'mark', 'lost', 'created')
  local epoch, known = tonumber(found[1]), tonumber(ARGV[1])
  local why
  if found[3] then
    why = found[3]
  elseif not epoch then
    if not known and ARGV[3] == '1' and call('EXISTS', LEDGER, ENDS) == 0 then
      call('HSET', KEYS[1], 'epoch', flat(MICROS), 'mark', '0', 'created', '1')
      return nil
    end
    why = 'empty'
  elseif known and epoch < known then
    why = 'older'
  elseif known and epoch > known and found[4] then
    why = 'anew'
  elseif known and epoch == known and tonumber(found[2]) < tonumber(ARGV[2]) then
    why = 'behind'
  end
  if not why then return nil end
  if known and not found[3] then call('HSET', KEYS[1], 'lost', why) end
  return {'lost', why}
end

local function ok(...)
  local found = call('HMGET', KEYS[1], 'epoch', 'mark')
  return {'ok', found[1], found[2], ...}
end

local function wrote() call('HINCRBY', KEYS[1], 'mark', 1) end

-- ------------------------------------------------------------------------------------------------------- exact money
-- Numbers here are doubles, exact to 2^53. An amount is two of them: whole dollars (rounded down, so negative ones
-- too) and pico-dollars, 0 to 1e12 - 1. As text it is one decimal integer of pico-dollars.

local DOLLAR, MOST = 1000000000000, 9007199254740991

local function amount_of(text)
  if not text then return 0, 0 end
  local negative = string.byte(text) == 45
  local digits = negative and string.sub(text, 2) or text
  local whole, pico = 0, 0
  if #digits > 12 then
    whole, pico = tonumber(string.sub(digits, 1, -13)), tonumber(string.sub(digits, -12))
  else
    pico = tonumber(digits)
  end
  if not negative then return whole, pico end
  if pico == 0 then return -whole, 0 end
  return -whole - 1, DOLLAR - pico
end

local function text_of(whole, pico)
  if whole > MOST or whole < -MOST then error('an account is beyond what can be counted exactly') end
  local sign = ''
  if whole < 0 then
    sign = '-'
    if pico > 0 then whole, pico = -whole - 1, DOLLAR - pico else whole = -whole end
  end
  if whole > 0 then return string.format('%s%.0f%012.0f', sign, whole, pico) end
  if pico == 0 then return '0' end
  return string.format('%s%.0f', sign, pico)
end

local function plus(a, a_pico, b, b_pico)
  local whole, pico = a + b, a_pico + b_pico
  if pico >= DOLLAR then return whole + 1, pico - DOLLAR end
  return whole, pico
end

local function minus(a, a_pico, b, b_pico)
  local whole, pico = a - b, a_pico - b_pico
  if pico < 0 then return whole - 1, pico + DOLLAR end
  return whole, pico
end

local function added(a, b)
  local whole, pico = amount_of(a)
  return text_of(plus(whole, pico, amount_of(b)))
end

local function taken(a, b)
  local whole, pico = amount_of(a)
  return text_of(minus(whole, pico, amount_of(b)))
end

local function is_negative(text) return string.byte(text) == 45 end

local function exceeds(a, b) return is_negative(taken(b, a)) end

-- --------------------------------------------------------------------------------------------------- rolling windows
-- A window is fields of a hash: one for each bucket, named by the moment it ends, their sum, and the earliest end.
-- A bucket leaves as a whole, once it ended longer ago than the period.

local function bucket_end(width) return (math.floor(NOW / width) + 1) * width end

-- Yield the ends and fields of all buckets in the hash.
local function buckets_of(key)
  local all, found = call('HGETALL', key), {}
  for i = 1, #all, 2 do
    if string.byte(all[i]) == 64 then found[#found + 1] = {tonumber(string.sub(all[i], 2)), all[i], all[i + 1]} end
  end
  return found
end

-- Drop the buckets that left; return what is left in the window, and its earliest bucket.
local function shed(key, sum, first, period)
  local gone = NOW - period
  if not first or first > gone then return sum, first end
  first = nil
  for _, bucket in ipairs(buckets_of(key)) do
    if bucket[1] <= gone then
      sum = taken(sum, bucket[3])
      call('HDEL', key, bucket[2])
    elseif not first or bucket[1] < first then
      first = bucket[1]
    end
  end
  call('HSET', key, 'sum', sum, 'first', first and flat(first) or '')
  return sum, first
end

local function put(key, sum, first, bucket, amount)
  local field = '@' .. flat(bucket)
  local known = call('HGET', key, field)
  if not first or bucket < first then first = bucket end
  sum = added(sum, amount)
  call('HSET', key, field, added(known, amount), 'sum', sum, 'first', flat(first))
  return sum, first
end

-- Change a bucket, never below nothing; without effect once it has left.
local function change(key, field, by)
  local known = call('HGET', key, field)
  if not known then return end
  local changed = added(known, by)
  if is_negative(changed) then changed, by = '0', taken('0', known) end
  call('HSET', key, field, changed, 'sum', added(call('HGET', key, 'sum'), by))
end

-- --------------------------------------------------------------------------------------------------------- accounts

local function account_key(scope) return BASE .. 'account:' .. scope end

local function account_of(scope)
  local key = account_key(scope)
  local found = call('HMGET', key, 'total', 'reserved', 'presumed', 'holders', 'ends', 'period', 'sum', 'first', 'number')
  if not found[1] then return nil end
  local account = {
    key = key, scope = scope, total = found[1], reserved = found[2], presumed = found[3], holders = tonumber(found[4]),
    ends = tonumber(found[5]), period = tonumber(found[6]), sum = found[7] or '0', first = tonumber(found[8]),
    number = found[9],
  }
  if account.period then account.sum, account.first = shed(key, account.sum, account.first, account.period) end
  return account
end

-- Its number tells an account from a later one of the same scope; rebuilt ones have 0.
local function new_account(scope, ends, number)
  call('ZADD', ENDS, flat(ends), scope)
  return {
    key = account_key(scope), scope = scope, total = '0', reserved = '0', presumed = '0', holders = 0, ends = ends,
    sum = '0', number = number or flat(call('HINCRBY', KEYS[1], 'accounts', 1)),
  }
end

local function keep(account)
  call('HSET', account.key, 'total', account.total, 'reserved', account.reserved, 'presumed', account.presumed,
    'holders', account.holders, 'ends', flat(account.ends), 'period', account.period and flat(account.period) or '',
    'number', account.number)
end

-- The account of a claim that is held. Where it is gone the server threw keys away (an eviction policy): that is a loss.
local function account_held(scope)
  local account = account_of(scope)
  if account then return account end
  call('HSET', KEYS[1], 'lost', 'evicted')
  return new_account(scope, NOW)
end

local function drop(scope)
  call('DEL', account_key(scope))
  call('ZREM', ENDS, scope)
end

local function lives(account, ends)
  account.ends = ends
  call('ZADD', ENDS, flat(ends), account.scope)
end

local function spent(account, rolling)
  if not account.period or not rolling then return account.total end
  if rolling >= account.period then return account.sum end
  local sum = '0'
  for _, bucket in ipairs(buckets_of(account.key)) do
    if bucket[1] > NOW - rolling then sum = added(sum, bucket[3]) end
  end
  return sum
end

-- Add to what was spent, now; return the field of the bucket it is in, '' without a window.
local function charge(account, amount)
  account.total = added(account.total, amount)
  if not account.period then return '' end
  local width = account.period == math.huge and FINEST or math.max(FINEST, account.period / BUCKETS)
  local bucket = bucket_end(width)
  account.sum, account.first = put(account.key, account.sum, account.first, bucket, amount)
  if account.ends < bucket + account.period then lives(account, bucket + account.period) end
  return '@' .. flat(bucket)
end

-- ----------------------------------------------------------------------------------------------------- rate windows

local function rate_key(scope) return BASE .. 'rate:' .. scope end

local function rate_of(scope, seconds)
  local key = rate_key(scope)
  local found = call('HMGET', key, 'sum', 'first')
  local sum, first = shed(key, found[1] or '0', tonumber(found[2]), seconds)
  return {key = key, sum = sum, first = first}
end

-- ------------------------------------------------------------------------------------------------------- the ledger

local function reservation_of(id) return (string.gsub(string.gsub(id, '/presumed$', ''), '/correction$', '')) end

-- Append a row unless it is there; OPEN holds what is presumed and not corrected yet.
local function append(id, kind, cost, reserved, row)
  if call('SADD', IDS, id) == 0 then return end
  call('XADD', LEDGER, '*', 'id', id, 'kind', kind, 'cost', cost, 'reserved', reserved, 'row', row)
  if kind == 'presumed' then call('HSET', OPEN, reservation_of(id), cost) end
  if kind == 'correction' then call('HDEL', OPEN, reservation_of(id)) end
end

-- ----------------------------------------------------------------------------------------------------- reservations

local function reservation_key(id) return BASE .. 'reservation:' .. id end

-- Remember that the id is settled, so that it is never reserved or settled again.
local function settled(id)
  local key = reservation_key(id)
  call('DEL', key)
  call('HSET', key, 'state', 'settled')
  call('EXPIRE', key, SETTLED_KEPT)
  call('ZREM', LEASES, id)
end

local function state_of(id)
  local state = call('HGET', reservation_key(id), 'state')
  if state then return state end
  local rows = call('SMISMEMBER', IDS, id, id .. '/correction')
  return (rows[1] == 1 or rows[2] == 1) and 'settled' or nil
end

-- Charge each account the largest of the claims: one cost on all of them, as a settlement charges.
local function presume(id)
  local key = reservation_key(id)
  local found = call('HMGET', key, 'claims', 'most', 'row', 'row_cost')
  if not found[1] then
    -- The whole reservation was thrown away.
    call('HSET', KEYS[1], 'lost', 'evicted')
    return call('ZREM', LEASES, id)
  end
  local claims, amount, places = cmsgpack.unpack(found[1]), found[2], {}
  for _, claim in ipairs(claims) do
    local account = account_held(claim[1])
    account.reserved = taken(account.reserved, claim[2])
    account.holders = account.holders - 1
    account.presumed = added(account.presumed, amount)
    places[#places + 1] = {claim[1], account.number, charge(account, amount)}
    keep(account)
  end
  local recorded = '0'
  if found[3] then
    recorded = #claims > 0 and amount or found[4]
    append(id .. '/presumed', 'presumed', recorded, recorded, found[3])
  end
  call('HSET', key, 'state', 'presumed', 'recorded', recorded, 'places', cmsgpack.pack(places))
  call('HDEL', key, 'claims', 'counted', 'row_cost')
  call('EXPIRE', key, PRESUMED_KEPT)
  call('ZREM', LEASES, id)
end

-- Presume what is past its lease, then forget accounts past their end: a bounded number, the next script goes on.
local function expire()
  local overdue = call('ZRANGEBYSCORE', LEASES, '-inf', flat(NOW), 'LIMIT', 0, 200)
  for _, id in ipairs(overdue) do presume(id) end
  local over = call('ZRANGEBYSCORE', ENDS, '-inf', flat(NOW), 'LIMIT', 0, 50)
  for _, scope in ipairs(over) do
    if (tonumber(call('HGET', account_key(scope), 'holders')) or 0) > 0 then
      call('ZADD', ENDS, flat(NOW + 60), scope)
    else
      drop(scope)
    end
  end
  if #overdue + #over > 0 then wrote() end
end

-- Charge `cost` instead of what was presumed, less to the bucket it was in, more now; append the difference.
local function correct(id, cost, reserved, row)
  local found = call('HMGET', reservation_key(id), 'most', 'recorded', 'places', 'row')
  local amount, by = found[1], taken(cost, found[1])
  for _, place in ipairs(cmsgpack.unpack(found[3])) do
    local account = account_of(place[1])
    if account and account.number == place[2] then
      account.presumed = taken(account.presumed, amount)
      if is_negative(by) then
        account.total = added(account.total, by)
        if place[3] ~= '' then change(account.key, place[3], by) end
      elseif by ~= '0' then
        charge(account, by)
      end
      keep(account)
    end
  end
  settled(id)
  if not row and found[4] then reserved, row = found[2], found[4] end
  if row then append(id .. '/correction', 'correction', taken(cost, found[2]), reserved, row) end
  return amount
end

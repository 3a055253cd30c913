-- ARGV: key, value, until and extends of each signal.
local order, ends, values = BASE .. 'signals:order', BASE .. 'signals:ends', BASE .. 'signals'
local mark = tonumber(call('GET', BASE .. 'signals:mark')) or 0
for i = 6, #ARGV, 4 do
  local key, lasts = ARGV[i], tonumber(ARGV[i + 2]) + AHEAD
  local known = tonumber(call('ZSCORE', ends, key))
  if not (ARGV[i + 3] == '1' and known and known > math.max(NOW, lasts)) then
    mark = math.max(mark + 1, MICROS)
    call('HSET', values, key, ARGV[i + 3] .. ARGV[i + 1])
    call('ZADD', order, flat(mark), key)
    call('ZADD', ends, flat(lasts), key)
  end
end
call('SET', BASE .. 'signals:mark', flat(mark))
local over = call('ZRANGEBYSCORE', ends, '-inf', flat(NOW), 'LIMIT', 0, 200)
local many = call('ZCARD', order) - #over - 20000
if many > 0 then
  for _, key in ipairs(call('ZRANGE', order, 0, many - 1)) do over[#over + 1] = key end
end
for _, key in ipairs(over) do
  call('HDEL', values, key)
  call('ZREM', order, key)
  call('ZREM', ends, key)
end
return {'ok', false, false}

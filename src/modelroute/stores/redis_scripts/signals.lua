-- ARGV: the mark after which signals are new. A mark from the future is of another life of the store: all are new.
local order, ends, values = BASE .. 'signals:order', BASE .. 'signals:ends', BASE .. 'signals'
local mark, after = call('GET', BASE .. 'signals:mark') or '0', ARGV[6]
if tonumber(after) > tonumber(mark) then after = '0' end
local found = {}
for _, key in ipairs(call('ZRANGEBYSCORE', order, '(' .. after, '+inf')) do
  local lasts = tonumber(call('ZSCORE', ends, key))
  if lasts > NOW then found[#found + 1] = {key, call('HGET', values, key), flat(lasts - AHEAD)} end
end
return {'ok', false, false, mark, found}

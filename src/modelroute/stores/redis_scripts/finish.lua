-- ARGV: token of the rebuild. Begins a newer epoch than any this process or the server knows.
local found = call('HMGET', KEYS[1], 'rebuilding', 'epoch', 'mark')
if found[1] ~= ARGV[6] then return {'superseded'} end
local epoch = math.max(MICROS, (tonumber(found[2]) or 0) + 1, (tonumber(ARGV[1]) or 0) + 1)
local mark = math.max(tonumber(found[3]) or 0, tonumber(ARGV[2]) or 0) + 1
call('HDEL', KEYS[1], 'lost', 'rebuilding', 'created')
call('HSET', KEYS[1], 'epoch', flat(epoch), 'mark', flat(mark))
return ok()

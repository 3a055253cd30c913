-- ARGV: idempotency key, owner, reply, until.
local key, lasts = BASE .. 'key:' .. ARGV[6], tonumber(ARGV[9]) + AHEAD
local found = call('HMGET', key, 'owner', 'until', 'reply')
if found[1] == ARGV[7] and not found[3] and tonumber(found[2]) > NOW then
  call('HSET', key, 'reply', ARGV[8], 'until', flat(lasts))
  call('PEXPIRE', key, math.ceil(math.max(0, math.min(lasts - NOW, 1e8)) * 1000) + 60000)
end
return {'ok', false, false}

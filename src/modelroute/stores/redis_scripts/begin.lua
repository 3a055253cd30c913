-- ARGV: idempotency key, fingerprint, owner, lease.
local key, lease = BASE .. 'key:' .. ARGV[6], tonumber(ARGV[9]) + AHEAD
local found = call('HMGET', key, 'fingerprint', 'owner', 'until', 'reply')
if found[1] and tonumber(found[3]) > NOW then
  if found[1] ~= ARGV[7] then return {'ok', false, false, 'different'} end
  if found[4] then return {'ok', false, false, 'stored', found[4]} end
  if found[2] ~= ARGV[8] then return {'ok', false, false, 'running', flat(tonumber(found[3]) - AHEAD)} end
end
call('DEL', key)
call('HSET', key, 'fingerprint', ARGV[7], 'owner', ARGV[8], 'until', flat(lease))
call('PEXPIRE', key, math.ceil(math.max(0, math.min(lease - NOW, 1e8)) * 1000) + 60000)
return {'ok', false, false, 'begun'}

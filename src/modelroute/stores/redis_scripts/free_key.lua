-- ARGV: idempotency key, owner.
local key = BASE .. 'key:' .. ARGV[6]
local found = call('HMGET', key, 'owner', 'reply')
if found[1] == ARGV[7] and not found[2] then call('DEL', key) end
return {'ok', false, false}

-- ARGV: id.
local refusal = lost()
if refusal then return refusal end
expire()
local id = ARGV[6]
if state_of(id) ~= 'presumed' then return ok(false) end
if #cmsgpack.unpack(call('HGET', reservation_key(id), 'places')) == 0 then return ok(false) end
local amount = correct(id, '0')
wrote()
return ok(amount)

-- Begin a rebuild, or go on with one: forget what was counted, a bounded number of keys at a time.
-- ARGV: '' to begin, else the token of the rebuild. Replies the token, and how much there may be left to forget.
local token = ARGV[6]
if token == '' then
  token = flat(MICROS)
  call('HSET', KEYS[1], 'lost', 'rebuilding', 'rebuilding', token)
elseif call('HGET', KEYS[1], 'rebuilding') ~= token then
  return {'superseded'}
end
local scopes = call('ZRANGE', ENDS, 0, 199)
for _, scope in ipairs(scopes) do drop(scope) end
local held = call('ZRANGE', LEASES, 0, 199)
for _, id in ipairs(held) do
  call('DEL', reservation_key(id))
  call('ZREM', LEASES, id)
end
return {'ok', false, false, token, #scopes + #held}

-- ARGV: token of the rebuild, reservation, amount, row, then scope and end of bucket of each account.
if call('HGET', KEYS[1], 'rebuilding') ~= ARGV[6] then return {'superseded'} end
local key, places = reservation_key(ARGV[7]), {}
for i = 10, #ARGV, 2 do places[#places + 1] = {ARGV[i], '0', '@' .. flat(tonumber(ARGV[i + 1]))} end
call('DEL', key)
call('HSET', key, 'state', 'presumed', 'most', ARGV[8], 'recorded', ARGV[8], 'row', ARGV[9],
  'places', cmsgpack.pack(places))
call('EXPIRE', key, PRESUMED_KEPT)
return {'ok', false, false}

-- ARGV: token of the rebuild, then id, kind, cost, reserved and the rest of each row. Known rows are left out. So is what
-- was presumed by one and settled by another: a reservation is settled, or presumed, or presumed and corrected.
if call('HGET', KEYS[1], 'rebuilding') ~= ARGV[6] then return {'superseded'} end
for i = 7, #ARGV, 5 do
  local id, kind, cost, reserved, row = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local reservation = kind == 'attempt' and id or reservation_of(id)
  local known = call('SMISMEMBER', IDS, reservation, reservation .. '/correction')
  if known[1] == 0 and known[2] == 0 then
    local presumed = kind == 'attempt' and call('HGET', OPEN, reservation)
    if presumed then id, kind, cost = id .. '/correction', 'correction', taken(cost, presumed) end
    append(id, kind, cost, reserved, row)
    -- What an older state of the server still believes held or presumed was settled since.
    if kind ~= 'presumed' then call('DEL', reservation_key(reservation)) end
  end
end
return {'ok', false, false}

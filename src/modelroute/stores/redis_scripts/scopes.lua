-- ARGV: cursor. Replies the next one and some scopes; what was there all the time is found at least once.
local refusal = lost()
if refusal then return refusal end
expire()
local page, scopes = call('ZSCAN', ENDS, ARGV[6], 'COUNT', 200), {}
for i = 1, #page[2], 2 do
  if string.sub(page[2][i], 1, #OWN) ~= OWN then scopes[#scopes + 1] = page[2][i] end
end
return ok(page[1], scopes)

-- ARGV: where in the ledger to go on after, how many rows.
local refusal = lost()
if refusal then return refusal end
return ok(call('XRANGE', LEDGER, ARGV[6], '+', 'COUNT', ARGV[7]))

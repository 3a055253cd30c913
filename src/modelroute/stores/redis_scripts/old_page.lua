-- ARGV: token of the rebuild, where in the ledger to go on after, how many rows.
if call('HGET', KEYS[1], 'rebuilding') ~= ARGV[6] then return {'superseded'} end
return {'ok', false, false, call('XRANGE', LEDGER, ARGV[7], '+', 'COUNT', ARGV[8])}

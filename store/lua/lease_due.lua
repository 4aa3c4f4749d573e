-- Take due ids by raising their wake-up to the end of a lease, never by removing them: whatever
-- becomes of the hint, the job comes up again.
-- KEYS: due   ARGV: now, most ids, end of the lease
local ids = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], ARGV[3], id) end
return ids

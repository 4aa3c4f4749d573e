-- Take due ids by raising their wake-up to the end of a lease, never by removing them: whatever
-- becomes of the hint, the job comes up again. One sweep an interval acts on a queue, or several
-- workers would fill it past its bound together.
-- KEYS: due, guard   ARGV: now, most ids, end of the lease, milliseconds of the guard
if not redis.call('SET', KEYS[2], 1, 'NX', 'PX', ARGV[4]) then return {} end
local ids = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], ARGV[3], id) end
return ids

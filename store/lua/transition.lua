-- Change a job only if nobody changed it since it was read: the record, the index by state and
-- the wake-up together, so that no crash leaves a live job without one; and with them all that
-- others are told of the change: counts, the stream of changes, a webhook to be sent.
-- KEYS: record, index left, index entered, due left, due entered, deadlines, counters, open jobs,
-- changes, batch ("" for none), webhooks of the job, due webhooks
-- ARGV: id, revision that was read, new record, wake-up, deadline ("" for none), state left, state
-- entered, most changes, caller, how many open jobs more, webhook ("" for none), its wake-up; then
-- pairs of a counter and what to add to it
local revision = '^{"rev":"(%x+)"'
local now = string.match(redis.call('GET', KEYS[1]) or '', revision)
-- A client whose connection broke asks again: all of it is in place already. It is written once
-- more, or WAITAOF would find nothing on the new connection that it could wait for.
if now == string.match(ARGV[3], revision) then
  redis.call('SET', KEYS[1], ARGV[3])
  return 1
end
if now ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
if KEYS[2] ~= KEYS[3] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZADD', KEYS[3], 0, ARGV[1])
end
if KEYS[4] ~= KEYS[5] then redis.call('ZREM', KEYS[4], ARGV[1]) end
redis.call('ZADD', KEYS[5], ARGV[4], ARGV[1])
if ARGV[5] ~= '' then
  redis.call('ZADD', KEYS[6], ARGV[5], ARGV[1])
else
  redis.call('ZREM', KEYS[6], ARGV[1])
end

for i = 13, #ARGV, 2 do redis.call('HINCRBY', KEYS[7], ARGV[i], ARGV[i + 1]) end
if ARGV[10] ~= '0' then redis.call('HINCRBY', KEYS[8], ARGV[9], ARGV[10]) end
redis.call('XADD', KEYS[9], 'MAXLEN', '~', ARGV[8], '*', 'job', ARGV[1], 'state', ARGV[7])
if KEYS[10] ~= '' and ARGV[6] ~= ARGV[7] then
  redis.call('HINCRBY', KEYS[10], ARGV[6], -1)
  redis.call('HINCRBY', KEYS[10], ARGV[7], 1)
end
if ARGV[11] ~= '' then
  redis.call('RPUSH', KEYS[11], ARGV[11])
  redis.call('ZADD', KEYS[12], ARGV[12], ARGV[1])
end
return 1

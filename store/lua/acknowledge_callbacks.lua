-- Take callbacks that were read off their job's list, count what became of each, and keep in the
-- quarantine what was not used up. The reader's wake-up goes with the last one.
-- They are named by their content: with two readers at once, a count would drop one that nobody
-- has read, and what is gone already was filed by the other.
-- KEYS: callbacks, due, counters, quarantine, its bytes
-- ARGV: job id, seconds kept, most entries, most bytes, then for each: entry, outcome, "" or "kept"
for i = 5, #ARGV, 3 do
  local entry, outcome = ARGV[i], ARGV[i + 1]
  if redis.call('LREM', KEYS[1], 0, entry) > 0 then
    redis.call('HINCRBY', KEYS[3], 'callbacks.' .. outcome, 1)
    if ARGV[i + 2] ~= '' then
      redis.call('XADD', KEYS[4], '*', 'job', ARGV[1], 'reason', outcome, 'entry', entry)
      redis.call('INCRBY', KEYS[5], #entry)
    end
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end

-- The oldest make room: for too many, for too much, and once they were kept long enough.
local over = redis.call('TIME')[1] - ARGV[2]
while true do
  local oldest = redis.call('XRANGE', KEYS[4], '-', '+', 'COUNT', 1)[1]
  if not oldest then break end
  local fits = redis.call('XLEN', KEYS[4]) <= tonumber(ARGV[3])
    and tonumber(redis.call('GET', KEYS[5]) or 0) <= tonumber(ARGV[4])
  if fits and string.match(oldest[1], '%d+') / 1000 >= over then break end
  redis.call('XDEL', KEYS[4], oldest[1])
  redis.call('DECRBY', KEYS[5], #oldest[2][6])
end

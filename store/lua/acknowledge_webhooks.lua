-- Take webhooks off their job's list: they were delivered, or become dead letters. The wake-up goes
-- with the last one; while there are others it comes at once, for it is the next one's turn.
-- They are named by their content: with two workers at once, a count would drop one that nobody
-- has sent, and what is gone already was ended by the other.
-- KEYS: webhooks, due, dead letters   ARGV: job id, now, most dead letters (0: delivered), entries
local ended = 0
for i = 4, #ARGV do
  if redis.call('LREM', KEYS[1], 0, ARGV[i]) > 0 then
    ended = ended + 1
    if ARGV[3] ~= '0' then
      redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[3], '*', 'job', ARGV[1], 'entry', ARGV[i])
    end
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
elseif ended > 0 then
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
end
return ended

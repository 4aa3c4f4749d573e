-- Begin or prolong a pause after a refusal that the next job would meet as well.
-- It ends by itself: then one job tries, and if that is refused, the pause is twice as long.
-- Returns when the pause ends.
local pauses = KEYS[1]
local field, job_id, reason = ARGV[1], ARGV[2], ARGV[3]
local now, first_pause_s, max_pause_s = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local known = redis.call('HGET', pauses, field)
local pause = known and cjson.decode(known)
if not pause then
  pause = {reason = reason, author = '', since = now, pause_s = first_pause_s}
elseif pause.tried_by == job_id or pause['until'] <= now then
  pause.pause_s = math.min(2 * pause.pause_s, max_pause_s)
else
  return tostring(pause['until']) -- a job that was sent before the pause began
end
pause.reason, pause.tried_by = reason, nil
pause['until'] = now + pause.pause_s
redis.call('HSET', pauses, field, cjson.encode(pause))
return tostring(pause['until'])

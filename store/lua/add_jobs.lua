-- Keep new jobs, all or none: records, places in the index by state, first wake-ups, the batch they
-- belong to. A job under an idempotency key that is known is not kept: it is the one kept before.
-- Returns 1 and each job's id, or 0 and the places of those whose key is known for another request.
-- KEYS: counters, open jobs, changes, batch, batch's jobs; then for each: record, index, due, once
-- ARGV: seconds a key is known, seconds a batch is kept, most changes, caller, batch's document;
-- then for each: id, record, wake-up, digest of the request ("" for no key), state, provider
local answer = {1}
local fresh = {}
for i = 6, #KEYS, 4 do
  local at = 6 * (i - 6) / 4 + 6
  local id, digest = ARGV[at], ARGV[at + 3]
  local known = digest ~= '' and redis.call('GET', KEYS[i + 3])
  if known and string.match(known, ' (.*)$') ~= digest then
    if answer[1] == 1 then answer = {0} end
    answer[#answer + 1] = (i - 6) / 4
  elseif answer[1] == 1 then
    if known then id = string.match(known, '^(%S+)') end
    -- A client whose connection broke asks again: by then the job may be on its way already.
    if not known and redis.call('EXISTS', KEYS[i]) == 0 then fresh[#fresh + 1] = {i, at} end
    answer[#answer + 1] = id
  end
end
if answer[1] == 0 then return answer end

if ARGV[5] ~= '' and #fresh > 0 then
  redis.call('HSET', KEYS[4], 'document', ARGV[5])
  redis.call('EXPIRE', KEYS[4], ARGV[2])
end
for _, each in ipairs(fresh) do
  local i, at = each[1], each[2]
  local id, state, provider = ARGV[at], ARGV[at + 4], ARGV[at + 5]
  redis.call('SET', KEYS[i], ARGV[at + 1])
  redis.call('ZADD', KEYS[i + 1], 0, id)
  redis.call('ZADD', KEYS[i + 2], ARGV[at + 2], id)
  if ARGV[at + 3] ~= '' then
    redis.call('SET', KEYS[i + 3], id .. ' ' .. ARGV[at + 3], 'EX', ARGV[1])
  end
  redis.call('HINCRBY', KEYS[1], 'jobs.' .. state .. '.' .. provider, 1)
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'job', id, 'state', state)
  if ARGV[5] ~= '' then
    redis.call('HINCRBY', KEYS[4], state, 1)
    redis.call('ZADD', KEYS[5], 0, id)
  end
end
if #fresh > 0 then redis.call('HINCRBY', KEYS[2], ARGV[4], #fresh) end
if ARGV[5] ~= '' then redis.call('EXPIRE', KEYS[5], ARGV[2]) end
return answer

-- Store new jobs, all or none: records, index by state, first wake-ups, counters, and their batch.
-- A job whose idempotency key is known is not stored: the id of the original job is returned for it.
-- Returns {1, id of each job}, or {0, indexes of the jobs whose key belongs to another request}.
local counters, open_jobs, changes, places, batch, batch_jobs = unpack(KEYS, 1, 6) -- no batch: ''
local key_ttl_s, batch_ttl_s, max_changes, caller = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local batch_document, batch_id, oldest_batch = unpack(ARGV, 5, 7) -- '' for no batch
local batch_indexes = {KEYS[7], KEYS[8]}
local FIRST_KEY, FIRST = 9, 8 -- of the jobs, with 7 keys and 8 arguments each

local function read_job(index)
  local key, arg = FIRST_KEY + 7 * index, FIRST + 8 * index
  return {
    record_key = KEYS[key], due_key = KEYS[key + 1], idempotency_key = KEYS[key + 2],
    index_keys = {unpack(KEYS, key + 3, key + 6)},
    id = ARGV[arg], record = ARGV[arg + 1], wake_up = ARGV[arg + 2],
    digest = ARGV[arg + 3], -- of the request; '' for no idempotency key
    state = ARGV[arg + 4], provider = ARGV[arg + 5], place = ARGV[arg + 6],
    estimate = ARGV[arg + 7], -- in millionths of a dollar; '' if unknown
  }
end

local ids, conflicts, new_jobs = {1}, {0}, {}
for index = 0, (#KEYS - FIRST_KEY + 1) / 7 - 1 do
  local job = read_job(index)
  local known = job.digest ~= '' and redis.call('GET', job.idempotency_key)
  if known then
    local known_id, known_digest = string.match(known, '^(%S+) (.*)$')
    if known_digest ~= job.digest then conflicts[#conflicts + 1] = index end
    ids[#ids + 1] = known_id
  else
    -- A client repeats the call after a broken connection: the job may be in progress by then.
    if redis.call('EXISTS', job.record_key) == 0 then new_jobs[#new_jobs + 1] = job end
    ids[#ids + 1] = job.id
  end
end
if #conflicts > 1 then return conflicts end

-- A damaged counter (pcall) must not end this in the middle: the job would be paid for, and its caller
-- would read that it was refused.
for _, job in ipairs(new_jobs) do
  redis.call('SET', job.record_key, job.record)
  for _, index_key in ipairs(job.index_keys) do redis.call('ZADD', index_key, 0, job.id) end
  redis.call('ZADD', job.due_key, job.wake_up, job.id)
  redis.call('HSET', places, job.id, job.place)
  if job.digest ~= '' then
    redis.call('SET', job.idempotency_key, job.id .. ' ' .. job.digest, 'EX', key_ttl_s)
  end
  redis.pcall('HINCRBY', counters, 'jobs.' .. job.state .. '.' .. job.provider, 1)
  redis.pcall('XADD', changes, 'MAXLEN', '~', max_changes, '*', 'job', job.id, 'state', job.state,
    'caller', caller)
  if batch_document ~= '' then
    redis.pcall('HINCRBY', batch, job.state, 1)
    if job.estimate == '' then
      redis.pcall('HINCRBY', batch, 'unpriced', 1)
    else
      redis.pcall('HINCRBY', batch, 'estimated_micro_usd', job.estimate)
    end
    redis.call('ZADD', batch_jobs, 0, job.id)
  end
end
if #new_jobs > 0 then
  redis.pcall('HINCRBY', open_jobs, caller, #new_jobs)
  if batch_document ~= '' then
    redis.call('HSET', batch, 'document', batch_document)
    redis.call('EXPIRE', batch, batch_ttl_s)
    redis.call('EXPIRE', batch_jobs, batch_ttl_s)
    for _, index in ipairs(batch_indexes) do
      redis.call('ZADD', index, 0, batch_id)
      redis.call('ZREMRANGEBYLEX', index, '-', '(' .. oldest_batch)
    end
  end
end
return ids

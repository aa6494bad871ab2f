-- What a commit counts, and what it is refused for; see store/counts.rs for the words.
-- KEYS  6 live jobs, scored by when they have ended at the latest  7 tally; one not needed repeats the record's key.
-- ARGV  6 the job  16 live: 'keep', 'ended' or until when in ms  17 how many may be live already ('' = any number)
--       18 what the tally gains ('' = there is none)  19 what it may come to ('' = anything)  20 its expiry in ms
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local sum

local function refused()
  if ARGV[17] ~= '' and redis.call('ZCOUNT', KEYS[6], '(' .. now(), '+inf') >= tonumber(ARGV[17]) then return 'full' end
  if ARGV[18] == '' then return false end
  sum = math.max(0, tonumber(redis.call('GET', KEYS[7]) or '0') + tonumber(ARGV[18]))
  return ARGV[19] ~= '' and sum > tonumber(ARGV[19]) and 'over'
end

local function count()
  if ARGV[16] == 'ended' then redis.call('ZREM', KEYS[6], ARGV[6])
  elseif ARGV[16] ~= 'keep' then
    redis.call('ZADD', KEYS[6], ARGV[16], ARGV[6])
    redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now())
  end
  if sum then redis.call('SET', KEYS[7], string.format('%.0f', sum), 'PX', ARGV[20]) end
end


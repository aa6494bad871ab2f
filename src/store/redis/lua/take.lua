-- Takes a turn from each of several windows, or from none of them if one holds no more.
-- KEYS  the windows    ARGV  for each: how many turns it holds, its length in ms
-- Answers the time in ms, 1 or 0 (taken or not), and for each window its turns taken and the ms until it is over.
local time = redis.call('TIME')
local answer, granted = {time[1] * 1000 + math.floor(time[2] / 1000), 1}, true
for i, key in ipairs(KEYS) do
  local used, left = tonumber(redis.call('GET', key) or '0'), redis.call('PTTL', key)
  if left < 0 then used, left = 0, tonumber(ARGV[2 * i]) end
  answer[2 * i + 1], answer[2 * i + 2] = used, left
  if used >= tonumber(ARGV[2 * i - 1]) then granted = false end
end
if not granted then
  answer[2] = 0
  return answer
end
for i, key in ipairs(KEYS) do
  if answer[2 * i + 1] == 0 then redis.call('SET', key, 1, 'PX', ARGV[2 * i]) else redis.call('INCR', key) end
  answer[2 * i + 1] = answer[2 * i + 1] + 1
end
return answer

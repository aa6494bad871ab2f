-- What is live and due, counted, and the first of the live.
-- KEYS  1 live jobs, scored by when they have ended at the latest  2 due index    ARGV  1 how many live jobs to name
-- Answers now, live jobs, due jobs, the earliest due time ('' = none), ids.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local first = call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return {
  now, call('ZCOUNT', KEYS[1], '(' .. now, '+inf'), call('ZCOUNT', KEYS[2], '-inf', now), first[2] or '',
  call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, ARGV[1]),
}

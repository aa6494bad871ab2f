-- Drops a list's entries whose records are gone.
-- KEYS  1 list  2… records    ARGV  each record's entry
-- Answers how many were dropped.
local dropped = 0
for n, entry in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[n + 1]) == 0 then dropped = dropped + redis.call('ZREM', KEYS[1], entry) end
end
return dropped

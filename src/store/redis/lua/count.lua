-- Adds one to a counter that is forgotten a while after its last use; the new value.
-- KEYS  1 counter    ARGV  1 window in milliseconds
local count = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return count

-- Puts an entry in front of a log, which keeps its newest. LPUSH, which meets every refusal to write, is the first write.
-- KEYS  1 log    ARGV  1 entry  2 how many are kept, less one  3 the log's expiry in ms
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])

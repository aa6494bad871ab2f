-- Deletes a record and its due entry, if it is still as expected.
-- KEYS  1 record  2 due index    ARGV  1 expected version ('' = no record)  2 the due index's member
-- Answers 1, or 0 where another record is there.
if (redis.call('HGET', KEYS[1], 'v') or '') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1

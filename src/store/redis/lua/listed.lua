-- The owner's list of jobs that a commit puts its job into; see Listed in store/mod.rs.
-- KEYS  8 list; not needed: the record's key again
-- ARGV  21 entry for the list ('' = none)  22 list's expiry in ms  23 how far its newest entries are kept: -1 - number
local function list()
  if ARGV[21] == '' then return end
  redis.call('ZADD', KEYS[8], 0, ARGV[21])
  redis.call('ZREMRANGEBYRANK', KEYS[8], 0, ARGV[23])
  redis.call('PEXPIRE', KEYS[8], ARGV[22])
end


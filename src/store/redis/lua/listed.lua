-- The lists that a commit puts its job into; see Listed in store/mod.rs.
-- KEYS  from 8 on: the lists
-- ARGV  from 21 on, for each: its entry  its expiry in ms  how far its newest entries are kept: -1 - number
local function list()
  for n = 8, #KEYS do
    local at = 21 + 3 * (n - 8)
    redis.call('ZADD', KEYS[n], 0, ARGV[at])
    redis.call('ZREMRANGEBYRANK', KEYS[n], 0, ARGV[at + 2])
    redis.call('PEXPIRE', KEYS[n], ARGV[at + 1])
  end
end


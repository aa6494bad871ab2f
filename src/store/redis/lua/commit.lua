-- Compare and commit, for every kind of write. All decisions were made by the caller; see store/mod.rs for the words.
-- KEYS  1 record  2 due index  3 tombstone  4 pointer  5 remembered reply; one not needed repeats the record's key
--       (6 and 7: limits.lua; 8 and on: listed.lua; both stand before this in the script)
-- ARGV  1 operation  2 expected version ('' = no record)  3 next version  4 body
--       5 due: 'keep', 'never' or milliseconds  6 the due index's member  7 how many due jobs to answer
--       8 record's expiry in ms ('' = none)  9 tombstone's expiry in ms  10 epoch
--       11 pointer: 'keep', 'claim' (holds nothing), 'swap' (holds ARGV[12]), 'release' (if it holds ARGV[12])
--       12 what the pointer should hold  13 what it shall hold  14 reply's expiry in ms ('' = none)  15 reply
-- Answers, first that fits: replayed version body | remembered reply | missing | conflict version body
--       | taken holder | full | over | applied now ids. Redis does not undo a failed script: HSET, which meets every refusal to
--       write (read-only, out of memory, failing disk), is the first write, and what follows cannot be refused.
local call = redis.call
local version, body, ops, expiring = unpack(call('HMGET', KEYS[1], 'v', 'b', 'o', 'x'))
ops = ops or ''
if version and string.find(' ' .. ops .. ' ', ' ' .. ARGV[1] .. ' ', 1, true) then return {'replayed', version, body} end
local remembered = ARGV[14] ~= '' and call('GET', KEYS[5])
if remembered then return {'remembered', remembered} end
if ARGV[2] ~= '' and not version then return {'missing'} end
if version and version ~= ARGV[2] then return {'conflict', version, body} end
local mode, holder = ARGV[11], false
if mode ~= 'keep' then holder = call('GET', KEYS[4]) end
if (mode == 'claim' and holder) or (mode == 'swap' and holder ~= ARGV[12]) then return {'taken', holder} end
local refusal = refused()
if refusal then return {refusal} end
local kept = {ARGV[1]}
for op in string.gmatch(ops, '%S+') do if #kept < 8 then kept[#kept + 1] = op end end
call('HSET', KEYS[1], 'v', ARGV[3], 'b', ARGV[4], 'o', table.concat(kept, ' '), 'x', ARGV[8] ~= '' and '1' or '0')
if ARGV[8] ~= '' then
  call('PEXPIRE', KEYS[1], ARGV[8])
  call('SET', KEYS[3], ARGV[10], 'PX', ARGV[9])
else
  if expiring == '1' then call('PERSIST', KEYS[1]) end
  if expiring == '1' or not version then call('DEL', KEYS[3]) end
end
if mode == 'claim' or mode == 'swap' then
  call('SET', KEYS[4], ARGV[13])
  if ARGV[8] ~= '' then call('PEXPIRE', KEYS[4], ARGV[8]) end
end
if mode == 'release' and holder == ARGV[12] then call('PEXPIRE', KEYS[4], ARGV[8]) end
if ARGV[14] ~= '' then call('SET', KEYS[5], ARGV[15], 'PX', ARGV[14]) end
list()
if ARGV[5] == 'never' then call('ZREM', KEYS[2], ARGV[6])
elseif ARGV[5] ~= 'keep' then call('ZADD', KEYS[2], ARGV[5], ARGV[6]) end
count()

if ARGV[7] == '0' and version then return {'applied', false, {}} end
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[7] == '0' then return {'applied', now, {}} end
return {'applied', now, call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[7])}

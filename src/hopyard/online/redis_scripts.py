"""The scripts that write, run by the Redis server, each of them as a whole.

Event times are compared as two whole numbers of four bytes each: Lua compares strings by the server's locale, and its
numbers hold no eight bytes.
"""

DONE, LOST, CHANGED = 1, 0, -1
"""Answers: done (now or before); what should be there is gone, or of an earlier state; somebody else wrote."""

# KEYS: table, names of tables, format version. ARGV: id, version, format version.
ENSURE = """
if redis.call('HEXISTS', KEYS[1], '') == 0 then
    redis.call('HSET', KEYS[1], '', '', '#', ARGV[2])
    redis.call('SADD', KEYS[2], ARGV[1])
    redis.call('SET', KEYS[3], ARGV[3], 'NX')
end
return 1
"""

# KEYS: table. ARGV: its version, its next version, whether rows are final, mark or '', seconds to live or 0, then keys
# and rows by turns; an empty row removes the key.
WRITE = """
local table_, version, following = KEYS[1], ARGV[1], ARGV[2]
local found = redis.call('HGET', table_, '#')
if found == following then return 1 end
if not found or tonumber(found) < tonumber(version) then return 0 end
if found ~= version then return -1 end
local keys = {}
for at = 6, #ARGV, 2 do keys[#keys + 1] = ARGV[at] end
local stored = {}
if ARGV[3] == '0' and #keys > 0 then stored = redis.call('HMGET', table_, unpack(keys)) end
local put, gone = {'#', following}, {}
if ARGV[4] ~= '' then put[3], put[4] = '', ARGV[4] end
for at, key in ipairs(keys) do
    local row = ARGV[2 * at + 5]
    if row == '' then
        gone[#gone + 1] = key
    else
        local is_newer, old = true, stored[at]
        if old then
            local old_high, old_low = struct.unpack('>I4I4', old, 5)
            local high, low = struct.unpack('>I4I4', row, 5)
            is_newer = old_high < high or (old_high == high and old_low <= low)
        end
        if is_newer then
            put[#put + 1] = key
            put[#put + 1] = row
        end
    end
end
if #gone > 0 then redis.call('HDEL', table_, unpack(gone)) end
redis.call('HSET', table_, unpack(put))
if ARGV[5] ~= '0' then redis.call('EXPIRE', table_, ARGV[5]) end
return 1
"""

# KEYS: the filled hash, table, a name for the old one, names of tables, format version.
# ARGV: id, mark, version of the filled hash, version of the table from now on, format version.
SWITCH = """
local filled, table_, old = KEYS[1], KEYS[2], KEYS[3]
local before = redis.call('HGET', table_, '#')
if redis.call('HGET', filled, '#') ~= ARGV[3] then
    if before == ARGV[4] then return 1 end
    return 0
end
redis.call('HSET', filled, '', ARGV[2], '#', ARGV[4])
redis.call('PERSIST', filled)
if before then redis.call('RENAME', table_, old) end
redis.call('RENAME', filled, table_)
redis.call('UNLINK', old)
redis.call('SADD', KEYS[4], ARGV[1])
redis.call('SET', KEYS[5], ARGV[5], 'NX')
return 1
"""

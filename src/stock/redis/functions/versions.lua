-- Libraries of several versions in one Redis. What all of them share is here and may never change
-- its meaning, for programs that are years apart read it; each adds what it likes elsewhere.
--
--   {ps:version}   string  the version whose gates sell from this Redis. Those of all others stand by: they touch no sale
--   {ps:gates}     zset    "VERSION ID" of each gate, by a number that it changes again and again while it lives. No clock is compared:
--                          who watches sees it stand still, and measures for how long by a clock of
--                          its own
--   {ps:NUMBER}:m  hash    epoch, term, run_id and replid, which fence a sale; state; version, the library that it belongs to; keys,
--                          the names behind {ps:NUMBER}: of all that it has here, so that any other
--                          version can take it away. What is not named there must run out by itself
--   {ps:NUMBER}:z  hash    an operator's stop (brake.lua)
--   {ps:0}:i, :j           kept.lua: a row names its form, and who does not know that reads none
--
-- Version 1 knew of no other one: its library is `penstock`, and it wrote neither version nor keys.

local SELLS, GATES, GATES_MAX = '{ps:version}', '{ps:gates}', 1024
local FIRST = 1

-- Where nobody has said so yet, who asks may.
local function sells()
	local version = call('GET', SELLS)
	return not version or tonumber(version) == VERSION
end

-- The version that the sale belongs to, and its keys; 0: there is no such sale.
local function owner(m_epoch, m_version, m_keys)
	if not m_epoch then
		return 0, KEYS_OF_SALE
	end
	return tonumber(m_version or FIRST), m_keys or KEYS_OF_FIRST
end

-- A gate says that it is there, or that it goes, and hears who else is. `claimed` is the version
-- that it last heard to be selling, for a Redis that has forgotten it; 0: it does not know. With it
-- come those that it has seen stand still: they are dead, unless they moved.
local function attend(_, args)
	local beat, claimed, leaves = unpack_bin('<i8IB', args[2])
	local own, dead = args[3], {}
	for i = 4, #args do
		dead[sub(args[i], 9)] = unpack_bin('<i8', args[i])
	end
	local there, gone, others = call('ZRANGE', GATES, 0, GATES_MAX - 1, 'WITHSCORES'), {'ZREM', GATES}, {}
	for i = 1, #there, 2 do
		local gate, its_beat = there[i], tonumber(there[i + 1])
		if dead[gate] == its_beat or (gate == own and leaves == 1) then
			gone[#gone + 1] = gate
		elseif gate ~= own and #gate <= 64 then
			others[#others + 1] = pack('<i8B', its_beat, #gate) .. gate
		end
	end
	write(gone)
	if leaves == 0 then
		call('ZADD', GATES, beat, own)
	end
	local version = tonumber(call('GET', SELLS) or 0)
	if version == 0 and claimed > 0 and leaves == 0 then
		version = claimed
		call('SET', SELLS, version)
	end
	return pack('<BIH', 0, version, #others) .. concat(others)
end

-- From now on this version sells, if it is still `former` that does. Each sale moves with the
-- begin() of its next epoch.
local function take_over(_, args)
	local former = unpack_bin('<I', args[2])
	local version = tonumber(call('GET', SELLS) or FIRST)
	if version == former then
		version = VERSION
		call('SET', SELLS, version)
	end
	return pack('<BI', 0, version)
end

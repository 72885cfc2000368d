-- An operator's stop. It has a key of its own, which begin() leaves alone: a sale that is being
-- rebuilt is as stopped as it was before.

local BRAKE_KEPT_MS = 24 * 3600 * 1000
local BRAKE_CHANGE_MIN = 35 -- bytes of one without texts

-- Its newest changes are one text, oldest first. Of each: how many bytes follow, serial, request
-- (16 bytes), stopped, at_ms, stops, actor, trace. Serial 0: nobody has touched it. Every refresh
-- ends with this.
local function brake_text(key)
	local z = call('HMGET', key .. ':z', 'serial', 'written', 'stopped', 'changes')
	if not z[1] then
		return pack('<I', 0)
	end
	return pack('<IIBH', z[1], z[2], z[3], #z[4]) .. z[4]
end

-- What is dropped is stopped no more. Callers that still know of the stop would put it back: so
-- they hear of its end, if the sale is armed anew, for longer than any of them is out of touch.
local function brake_release(key)
	local serial = call('HGET', key .. ':z', 'serial')
	if serial then
		call('HSET', key .. ':z', 'serial', serial + 1, 'written', serial + 1, 'stopped', 0)
		call('PEXPIRE', key .. ':z', BRAKE_KEPT_MS)
	end
end

-- How many changes there are, where the second begins, and whether one of them begins like this:
-- with a request, or with what was done for it and when, too. Of a text that is not whole there is
-- none.
local function brake_look(changes, start)
	local count, second, found, at = 0, 1, false, 1
	while at < #changes do
		found = found or sub(changes, at + 6, at + 5 + #start) == start
		local size = unpack_bin('<H', changes, at)
		if size < BRAKE_CHANGE_MIN then
			break
		end
		at = at + 2 + size
		count = count + 1
		second = count == 1 and at or second
	end
	if at ~= #changes + 1 then
		return 0, #changes + 1, false
	end
	return count, second, found
end

-- The oldest makes way in a history that is full.
local function brake_append(changes, serial, change)
	local count, second = brake_look(changes, '')
	if count == 0 or count >= BRAKE.CHANGES then
		changes = sub(changes, second)
	end
	return changes .. pack('<HI', 4 + #change, serial + 1) .. change, serial + 1
end

-- A stop that was made once more for its request, by a gate that could not know of the first one,
-- and was told as done: it gets a request of its own. nil: it was not.
local function brake_again(changes, change)
	local twin = sub(change, 1, 15) .. string.char((byte(change, 16) + 128) % 256) .. sub(change, 17)
	local _, _, same = brake_look(changes, sub(change, 1, 25))
	local _, _, there = brake_look(changes, sub(twin, 1, 25))
	return not same and not there and twin or nil
end

-- What `stored` has behind the last change that `changes` has too. A full history has had others in
-- front of its oldest, and what it has no more of these is no news. Where nothing is stopped, a
-- stop that was made again is.
local function brake_unseen(changes, stopped, stored)
	local count = brake_look(changes, '')
	local since = count >= BRAKE.CHANGES and unpack_bin('<I', changes, 3) or 0
	local unseen, at, kept = {}, 1, brake_look(stored, '')
	for _ = 1, kept do
		local size, serial = unpack_bin('<HI', stored, at)
		local change = sub(stored, at + 6, at + 1 + size)
		local _, _, found = brake_look(changes, sub(change, 1, 16))
		local again = found and stopped == 0 and byte(change, 17) == 1 and brake_again(changes, change)
		if again then
			unseen[#unseen + 1] = again
		elseif found then
			unseen = {}
		elseif serial >= since then
			unseen[#unseen + 1] = change
		end
		at = at + 2 + size
	end
	return unseen
end

-- A caller's history is longer, and lacks what was said to a Redis that had forgotten the rest.
-- Which came last nobody knows: what ends with a stop goes behind, and no release goes behind a
-- stop. What was dropped since ends with nothing. But stops that the ledger alone has were never
-- here: whether a release answers them the ledger's row says, and what is here stays.
local function brake_join(changes, serial, stopped, written, by_ledger, z)
	local unseen, holds = brake_unseen(changes, stopped, z[4]), tonumber(z[3])
	local last = #unseen > 0 and byte(unseen[#unseen], 17)
	if by_ledger == 1 and last == 0 and holds == 0 then
		return z[4], tonumber(z[1]), 0, z[2]
	end
	if last ~= holds or last < stopped then
		return changes, serial, stopped, written
	end
	for _, change in ipairs(unseen) do
		changes, serial = brake_append(changes, serial, change)
	end
	return changes, serial, last, written
end

-- Needs no term: it takes effect whatever the sale's state is. A caller may know a later one than a
-- Redis that has forgotten.
local function brake(keys, args)
	local key, repeated = keys[1] .. ':z', false
	local mode, serial, written, stopped, by_ledger, changes, place = unpack_bin('<BIIBBHc0', args[2])
	local z = call('HMGET', key, 'serial', 'written', 'stopped', 'changes')
	local stored = tonumber(z[1] or 0)
	if mode == BRAKE.WRITTEN then
		if written <= stored and written > tonumber(z[2]) then
			call('HSET', key, 'written', written)
		end
		return pack('<BB', 0, 0) .. brake_text(keys[1])
	end
	-- A Redis that has come back from a copy has forgotten that the ledger was told of the very
	-- same changes.
	if stored > 0 and stored == serial and changes == z[4] and written > tonumber(z[2]) then
		call('HSET', key, 'written', written)
		z[2] = written
	end
	if stored > 0 and stored >= serial then
		serial, written, stopped, changes = stored, z[2], z[3], z[4]
	elseif stored > 0 then
		changes, serial, stopped, written = brake_join(changes, serial, stopped, written, by_ledger, z)
	end
	if mode == BRAKE.SET then
		local change = sub(args[2], place + 6) -- behind its size and its serial
		local _, _, found = brake_look(changes, sub(change, 1, 16))
		repeated = found
		if not found then
			changes, serial = brake_append(changes, serial, change)
			stopped = byte(change, 17)
		end
	end
	if serial > stored then
		call('UNLINK', key) -- with the time to live that a released one has
		call('HSET', key, 'serial', serial, 'written', written, 'stopped', stopped, 'changes', changes)
	end
	return pack('<BB', 0, repeated and 1 or 0) .. brake_text(keys[1])
end

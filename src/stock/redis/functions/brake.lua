-- An operator's stop. It has a key of its own, which begin() leaves alone: a sale that is being rebuilt is as stopped as it was before.

local BRAKE_KEPT_MS = 24 * 3600 * 1000

-- What every refresh ends with. Serial 0: nobody has touched it.
local function brake_text(key)
	local z = call('HMGET', key .. ':z', 'serial', 'stopped', 'pending', 'at_ms', 'actor', 'trace')
	if not z[1] then
		return pack('<I', 0)
	end
	return pack('<IBBi8B', z[1], z[2], z[3], z[4], #z[5]) .. z[5] .. pack('<B', #z[6]) .. z[6]
end

-- What is dropped is stopped no more. Callers that still know of the stop would put it back: so they hear of its end, if the sale is armed
-- anew, for longer than any of them is out of touch.
local function brake_release(key)
	local serial = call('HGET', key .. ':z', 'serial')
	if serial then
		call('HSET', key .. ':z', 'serial', serial + 1, 'stopped', 0, 'pending', 0)
		call('PEXPIRE', key .. ':z', BRAKE_KEPT_MS)
	end
end

-- Needs no term: it takes effect whatever the sale's state is. A caller may know a later one than a Redis that has forgotten.
local function brake(keys, args)
	local key = keys[1] .. ':z'
	local mode, serial, stopped, pending, at_ms, actor, trace = unpack_bin('<BIBBi8Bc0Bc0', args[2])
	local stored = tonumber(call('HGET', key, 'serial') or 0)
	if mode == BRAKE_SET then
		serial, pending = (stored > serial and stored or serial) + 1, 1
	end
	if mode == BRAKE_WRITTEN then
		if stored == serial then
			call('HSET', key, 'pending', 0)
		end
	elseif serial > stored then
		call('UNLINK', key) -- with the time to live that a released one has
		call('HSET', key, 'serial', serial, 'stopped', stopped, 'pending', pending, 'at_ms', at_ms, 'actor', actor, 'trace', trace)
	end
	return pack('<B', 0) .. brake_text(keys[1])
end

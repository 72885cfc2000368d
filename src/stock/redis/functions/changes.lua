-- Which sales were changed since when, for gates that ask again and again. Like the term it is in no file and on no replica, so a number is
-- of one term. It is of the data that was there, too: MARK lies among them and has the term, and where it is missing, or is another's, they
-- are gone (FLUSHALL), or came from elsewhere (this server was a replica for a while), without any change that was numbered here.

local note_change, changes_since
do
	local MARK = '{ps:0}:c' .. VERSION
	local CHANGES_MAX = 4096 -- who has heard of none of so many is told to ask about every sale
	local LOOK_SIZE = 20

	local changes, told = 0, 0 -- the newest number, and the newest that somebody was told
	local all_from = 0         -- whoever has heard less must ask about every sale
	local changed_at, change_of = {}, {} -- a sale's newest number, by its key; and the other way round

	-- Before anything of it is written. A number that nobody has been told goes on to mean the same sale.
	function note_change(key)
		local former = changed_at[key]
		if former then
			if former == changes and changes > told then
				return
			end
			change_of[former] = nil
		end
		changes = changes + 1
		changed_at[key], change_of[changes] = changes, key
	end

	-- Whether the sale is still there, and this library's: what these functions change of it has a number. Its time is bounded by the caller's,
	-- as each call of a sale does it: else a clock that was set would be believed by the next one who has measured nothing.
	local function stands(key, least, most, wall)
		clock_of(key, least, most, wall)
		return call('HGET', key .. ':m', 'term') == term -- another version's has another term
	end

	-- args[3]: sales that the caller looks at by itself, for what changes behind these functions' back has no number.
	function changes_since(_, args)
		local its_term, since = unpack_bin('<c32i8', args[2])
		if not term then
			return pack('<BI', FENCED, 0)
		end
		if call('GET', MARK) ~= term then
			call('SET', MARK, term)
			changes = changes + 1
			all_from = changes
		end
		local out, count = {}, 0
		local all = its_term ~= term or since < all_from or since > changes or changes - since > CHANGES_MAX
		for number = all and changes or since + 1, changes do
			local key = change_of[number]
			if key and not all then
				count = count + 1
				out[count] = pack('<I', tonumber(string.match(key, '%d+')))
			end
		end
		local looked = args[3]
		local wall = #looked > 0 and wall_ms()
		for at = 1, all and 0 or #looked, LOOK_SIZE do
			local number, least, most = unpack_bin('<Ii8i8', looked, at)
			if not stands('{ps:' .. number .. '}', least, most, wall) then
				count = count + 1
				out[count] = pack('<I', number)
			end
		end
		told = changes
		return pack('<Bc0i8BI', 0, term, changes, all and 1 or 0, count) .. concat(out)
	end
end

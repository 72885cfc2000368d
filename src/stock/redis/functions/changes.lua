-- Which sales were changed since when, for gates that ask again and again. Like the term it is in
-- no file and on no replica, so a number is of one term. It is of the data that was there, too:
-- MARK lies among them and has the term, and where it is missing, or is another's, they are gone
-- (FLUSHALL), or came from elsewhere (this server was a replica for a while), without any change
-- that was numbered here.

local note_change, changes_since
do
	local MARK = '{ps:0}:c' .. VERSION
	local CHANGES_MAX = 4096 -- who has heard of none of so many is told to ask about every sale
	local LOOK_SIZE = 20

	local changes, told = 0, 0 -- the newest number, and the newest that somebody was told
	local all_from = 0         -- whoever has heard less must ask about every sale
	local changed_at, change_of = {}, {} -- a sale's newest number, by its key; and the other way round

	-- Before anything of it is written. A number that nobody has been told goes on to mean the
	-- same sale.
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

	-- Of each sale that was looked at: its key, and the one that it must have. Made once, for
	-- to write a number as text costs as much as all else here.
	local keys_of = {}

	-- Those of the sales that are not there any more: all are asked for at once, as a rule all
	-- are there. Another version takes none before its gates sell, and then those of this one
	-- hear of that (versions.lua). The time of each is bounded by the caller's, as each call of
	-- a sale does it: else a clock that was set would be believed by the next one who has
	-- measured nothing.
	local function missing(looked)
		local wall, numbers, asked, gone = wall_ms(), {}, {'EXISTS'}, {}
		for at = 1, #looked, LOOK_SIZE do
			local number, least, most = unpack_bin('<Ii8i8', looked, at)
			local keys = keys_of[number]
			if not keys then
				local key = '{ps:' .. number .. '}'
				keys = {key, key .. ':m'}
				keys_of[number] = keys
			end
			clock_of(keys[1], least, most, wall)
			numbers[#numbers + 1], asked[#asked + 1] = number, keys[2]
		end
		if call(unpack(asked)) < #numbers then
			for i = 1, #numbers do
				gone[#gone + 1] = call('EXISTS', asked[i + 1]) == 0 and numbers[i] or nil
			end
		end
		return gone
	end

	-- args[3]: sales that the caller looks at by itself, for what changes behind these
	-- functions' back has no number.
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
		local gone = not all and #args[3] > 0 and missing(args[3]) or {}
		for i = 1, #gone do
			count = count + 1
			out[count] = pack('<I', gone[i])
		end
		told = changes
		return pack('<Bc0i8BI', 0, term, changes, all and 1 or 0, count) .. concat(out)
	end
end

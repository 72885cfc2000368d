-- The stock inside Redis: the library `penstock_VERSION`, whose functions are
-- `penstock_VERSION_NAME`. src/stock/redis/redis.c tells the whole picture; stock/redis/library.c
-- puts the first line, VERSION, and all numbers that C knows too (numbers.h, the model, the port)
-- in front of this, and loads it.
--
-- A sale's keys, behind its name {ps:NUMBER}:
--   :m  hash    what the sale is: epoch, state, term, run_id, replid, version, keys (see versions.lua), limit, rate_requests,
--               rate_ms, lots, over; former: the version that the sale was taken from; pieces: the
--               number of the last piece of :n
--   :l  string  its lots, LOT_SIZE bytes each
--   :o  hash    order id -> its record
--   :b  hash    buyer -> orders * 10000 + live units, the times of its grants that its rate counts, and its newest orders with their keys
--   :k  hash    "buyer key" -> order id: of the keys that its buyer's field has no room for
--   :n  string  every buyer's name and a newline, in the order of their first grants; what is beyond NAMES_PIECE bytes is in :n1, :n2 and so on
--   :h  zset    holds by deadline: a batch, whose orders :w has, or one order's id. Each order that is held, durable and not settling is in it by
--               its deadline; what else is in it ends when that has come (expire() asks the record)
--   :w  hash    batch -> the ids of its orders that are in :h with it
--   :g  zset    the outbox' batches, those that a call has granted together: their numbers, by the time of the last try
--   :y  hash    batch -> what the events of its grants carry: size, request as the gate sent it
--   :s  hash    batch -> its time, a byte for each of its grants (PENDING, OVER, ASIDE, LATE); newest: the newest batch; pending: grants in all batches
--   :x  zset    the outbox' other entries: an order's id, or "m" and a movement's id, by the time of the last try
--   :p  hash    order id -> what is on its way of it: a settlement, or a grant that was claimed
--   :v  hash    movement id -> its record
--   :r  hash    payment's reference -> the order that it pays for, or is about to
--   :u  zset    entries of the outbox whose record cannot be read, by the time that they were set aside
--   :z  hash    an operator's stop: serial, stopped, pending, at_ms, actor, trace
--   :t  hash    its row in the ledger, for gates that cannot ask there: epoch, change, row
--
-- Of all sales: {ps:0}:i  zset  numbers of sales that have a row; {ps:0}:j  hash  row: the log that the ledger is filled from;
--   {ps:0}:cVERSION  string  the term that changes are numbered in (changes.lua)
--
-- All times but those in events are the sale's own: see clock_of().
--
-- An order's record: state, flags, buyer_units, hold, first hold | batch, place in it; or 0, and of
-- one that was reduced the units that it was granted | lot, quantity, buyer | of one that is paid
-- or has labels, its payment's reference, which may be empty | of one that has labels, their
-- fingerprint. A grant is durable where it is flagged so, or its byte in the batch says that it has
-- ended, or the batch is gone: an acknowledgement writes no record.
--
-- Every function reads what it needs for its whole batch in a few commands, decides in Lua, and
-- writes with a few commands at the end, so that a call costs some tens of commands, not some for
-- each item, and that an error changes nothing.

-- Set by the first call: while a library is loaded they are not there yet.
local call, pack, unpack_bin, floor, sub, concat, byte
local function awake()
	call, pack, unpack_bin, floor, sub, concat, byte =
		redis.call, struct.pack, struct.unpack, math.floor, string.sub, table.concat, string.byte
end

local KEYS_OF_SALE, KEYS_OF_FIRST = 'm l o k b n h w g y s x p v u t r', 'm l o k b n h x p v' -- see versions.lua
local LOT, LOT_SIZE = '<IIIIIII', 28
local RECORD, RECORD_HEAD, HEAD_SIZE = '<BBHi8i8IHHHBc0', '<BBHi8i8', 20
local PLACE, NO_PLACE, PLACE_SIZE = '<IH', '\0\0\0\0\0\0', 6 -- the batch, behind the head
local TERMS, TERMS_SIZE = '<IHHH', 10 -- with the place: lot, quantity
local LABELS_SIZE = 8
local GRANT = '<BBHi8i8IH'
local EVENT = '<BIHHBc0BBc0c16' -- a request's: flags, hold, lot, quantity, buyer, size of what follows, key, id
local PENDING, OVER, ASIDE = 0, 1, 2
local LATE = 3 -- pending, and its hold's end has come and gone: it is not in :h any more
local EVENT_OF = {EV_CONFIRMED, EV_CANCELLED, EV_REFUNDED, EV_EXPIRED, EV_EXTENDED, EV_REDUCED}
local NAMES_CHUNK = 1048576
local NAMES_PIECE = 1048576 -- to append to a long string may copy all of it, while everybody waits
local NAMES_MAX = 500 * 1048576

-- In no file and on no replica: gone after a restart, a promotion, a reload, a flush. A sale that
-- was armed under another is fenced.
local term
local test_ms, test_step = nil, 0 -- a test's clock, and how far it is put from where it was; a release has no way to set them

-- A sale's time: by its key {time, wall}. Like the term it is in no file and on no replica.
local clocks = {}
local JUMP_MS = 1000 -- how far the wall clock may be off beyond what a caller has measured

local function has(flags, bit_value)
	return floor(flags / bit_value) % 2 == 1
end

local function wall_ms()
	if test_ms then
		return test_ms
	end
	local t = call('TIME')
	return t[1] * 1000 + floor(t[2] / 1000) + test_step
end

-- What has passed, in milliseconds since 1970 as the wall clock said when nothing had been measured
-- yet. It goes on as the wall clock does, but somebody may set that: so never back, and never
-- beyond `most`, what the caller saw last plus its own monotonic time, by more than a second; and
-- at least to `least`, which the same clock says (0: the caller has seen nothing, and the wall
-- clock is believed).
local function clock_of(key, least, most, known_wall)
	local wall, clock = known_wall or wall_ms(), clocks[key]
	local time = wall
	if clock then
		time = clock.time + (wall > clock.wall and wall - clock.wall or 0)
	end
	if most > 0 and time > most + JUMP_MS then
		time = most + JUMP_MS
	end
	if time < least then
		time = least
	end
	if not clock then
		clock = {time = time}
		clocks[key] = clock
	elseif time < clock.time then
		time = clock.time
	end
	clock.time, clock.wall = time, wall
	return clock
end

-- The sale, where this call may use it; else nil and what to answer. `state` is the one that it
-- must be in.
local function enter(keys, args, state)
	local key = keys[1]
	local known, least, most, names_epoch, names_from, outbox_max, broken, run_id, replid = unpack_bin('<Ii8i8Ii8IBc40c40', args[1])
	local m = call('HMGET', key .. ':m', 'epoch', 'state', 'term', 'run_id', 'replid', 'limit', 'rate_requests', 'rate_ms', 'lots', 'version', 'pieces')
	if not m[1] then
		return nil, pack('<BI', known == 0 and UNKNOWN_SALE or FENCED, 0)
	end
	local epoch = tonumber(m[1])
	if tonumber(m[10] or 0) ~= VERSION then -- another library's: nothing of it means there what it means here
		return nil, pack('<BI', FENCED, epoch)
	end
	local same_term = term and m[3] == term and m[4] == run_id and m[5] == replid
	if (epoch < known or not same_term) and not has(broken, BROKEN.IGNORE_FENCE) then
		return nil, pack('<BI', FENCED, epoch)
	end
	if m[2] ~= state then
		return nil, pack('<BI', FENCED, epoch)
	end
	local clock = clock_of(key, least, most)
	return {
		key = key, clock = clock, now = clock.time, epoch = epoch, limit = tonumber(m[6]), rate_requests = tonumber(m[7]), rate_ms = tonumber(m[8]),
		lot_count = tonumber(m[9]), lots = {}, outbox_max = outbox_max, broken = broken,
		names_from = names_epoch == epoch and names_from or 0, batches = {}, written = {}, ended = 0, pieces = tonumber(m[11] or 0),
	}
end

local function lot_of(sale, number)
	local lot = sale.lots[number]
	if not lot then
		local raw = call('GETRANGE', sale.key .. ':l', number * LOT_SIZE, number * LOT_SIZE + LOT_SIZE - 1)
		lot = {}
		lot.available, lot.held, lot.confirmed, lot.withdrawn, lot.allocated, lot.version, lot.revision = unpack_bin(LOT, raw)
		sale.lots[number] = lot
	end
	return lot
end

local function lot_pack(lot)
	return pack(LOT, lot.available, lot.held, lot.confirmed, lot.withdrawn, lot.allocated, lot.version, lot.revision)
end

-- Writes the lots that were changed; returns what every answer begins with: the sale as it is now.
local function finish(sale)
	local parts, count = {}, 0
	for number, lot in pairs(sale.lots) do
		if lot.changed then
			lot.revision = lot.revision + 1
			call('SETRANGE', sale.key .. ':l', number * LOT_SIZE, lot_pack(lot))
		end
		count = count + 1
		parts[count] = pack('<H', number) .. lot_pack(lot)
	end
	local first = call('ZRANGE', sale.key .. ':h', 0, 0, 'WITHSCORES')
	return pack('<BIIi8i8i8HH', 0, sale.epoch, sale.limit, sale.now, sale.clock.wall, first[2] or 0, sale.lot_count, count) ..
		concat(parts)
end

local function names_key(sale, piece)
	return sale.key .. (piece == 0 and ':n' or ':n' .. piece)
end

local function names_total(sale)
	return sale.pieces * NAMES_PIECE + call('STRLEN', names_key(sale, sale.pieces))
end

-- The names that the caller has not heard of: a chunk of them, which may begin in one piece and end
-- in the next. Where, of how many, how much; and the names, by themselves: to put them behind each
-- other would hash every byte of them, and the caller does it anyway.
local function names_since(sale, from)
	local total, piece = names_total(sale), floor(from / NAMES_PIECE)
	local start = from - piece * NAMES_PIECE
	local chunk = call('GETRANGE', names_key(sale, piece), start, start + NAMES_CHUNK - 1)
	while piece < sale.pieces and #chunk < NAMES_CHUNK do
		piece = piece + 1
		chunk = chunk .. call('GETRANGE', names_key(sale, piece), 0, NAMES_CHUNK - #chunk - 1)
	end
	return pack('<i8i8I', from, total, #chunk), chunk
end

-- False, and nothing is written, where the list is full.
local function names_append(sale, text)
	local total = names_total(sale)
	if total + #text > NAMES_MAX then
		return false
	end
	local room = (sale.pieces + 1) * NAMES_PIECE - total
	while #text > room do
		call('APPEND', names_key(sale, sale.pieces), sub(text, 1, room))
		text, room = sub(text, room + 1), NAMES_PIECE
		sale.pieces = sale.pieces + 1
		call('HSET', sale.key .. ':m', 'pieces', sale.pieces, 'keys', call('HGET', sale.key .. ':m', 'keys') .. ' n' .. sale.pieces)
	end
	call('APPEND', names_key(sale, sale.pieces), text)
	return true
end

-- A command with all its arguments, where it has any. Lua passes some thousands at once and no
-- more; a batch stays far below.
local function write(list)
	if #list > 2 then
		call(unpack(list))
	end
end

-- The records of these orders, read in one command; `ids` begins with the command and the key.
local function records_of(ids)
	local found, records = call(unpack(ids)), {}
	for i = 1, #found do
		records[ids[i + 2]] = found[i]
	end
	return records
end

local function is_pending(what)
	return what == PENDING or what == LATE
end

-- A batch of the outbox: its time as packed, and its bytes. False: it is gone.
local BATCH_HEAD = 8
local function batch_of(sale, number)
	local batch = sale.batches[number]
	if batch == nil then
		batch = call('HGET', sale.key .. ':s', number)
		sale.batches[number] = batch
	end
	return batch
end

local function place_of(batch, place)
	return byte(batch, BATCH_HEAD + place)
end

-- The batch and the place of a grant that is pending there; nil: it has ended, or is in none.
local function pending_place(sale, record)
	local number, place = unpack_bin(PLACE, record, HEAD_SIZE + 1)
	local batch = number > 0 and batch_of(sale, number)
	if batch and place_of(batch, place) ~= OVER then
		return number, place
	end
end

-- The units that the order has, and those that it was granted.
local function units_of(record)
	local number, place, _, quantity = unpack_bin(TERMS, record, HEAD_SIZE + 1)
	return quantity, number == 0 and place > 0 and place or quantity
end

-- The fingerprint of the order's labels; '': it has none.
local function labels_of(record)
	local at = select(11, unpack_bin(RECORD, record))
	return at <= #record and sub(record, at + 1 + byte(record, at)) or ''
end

-- The order's flags; of a grant in a batch DURABLE is what the batch says.
local function flags_of(sale, record)
	local flags, number = byte(record, 2), unpack_bin('<I', record, HEAD_SIZE + 1)
	return number > 0 and not pending_place(sale, record) and flags + DURABLE or flags
end

-- So many bytes of a batch from this place on, `ended` of which were pending and are not any more.
local function batch_write(sale, number, place, bytes, ended)
	local batch, at = sale.batches[number], BATCH_HEAD + place
	sale.batches[number] = sub(batch, 1, at - 1) .. bytes .. sub(batch, at + #bytes)
	sale.written[number] = true
	sale.ended = sale.ended + ended
end

local function batch_end(sale, number, place, what)
	batch_write(sale, number, place, string.char(what), is_pending(place_of(sale.batches[number], place)) and 1 or 0)
end

-- How much is in the outbox.
local function outbox_size(sale)
	return tonumber(call('HGET', sale.key .. ':s', 'pending') or 0) + call('ZCARD', sale.key .. ':x')
end

-- The time of the oldest entry's last try.
local function outbox_oldest(sale)
	local single, batch = call('ZRANGE', sale.key .. ':x', 0, 0, 'WITHSCORES')[2], call('ZRANGE', sale.key .. ':g', 0, 0, 'WITHSCORES')[2]
	return single and batch and math.min(single, batch) or single or batch or 0
end

-- A buyer's field: value, count of times, the times, oldest first, eight bytes each; then its
-- newest orders, newest first: id, size of its key, key. Most buyers have one order, so all that a
-- purchase must know of its buyer is one read and one write. What finds no room any more is in :k,
-- where it has a key.
local BUYER, BUYER_HEAD, ENTRY_HEAD = '<IB', 5, 17

local function buyer_read(text)
	local value, times = unpack_bin(BUYER, text)
	local orders = BUYER_HEAD + 8 * times + 1
	return {value = value, times = sub(text, BUYER_HEAD + 1, orders - 1), newest = sub(text, orders)}
end

local function buyer_new()
	return {value = 0, times = '', newest = ''}
end

local function buyer_text(buyer)
	return pack('<IBc0c0', buyer.value, #buyer.times / 8, buyer.times, buyer.newest)
end

-- The order of this id or of this key ('': of none) among the newest; else nil, and whether there
-- are others.
local function newest_find(buyer, id, key)
	local newest, at, count = buyer.newest, 1, 0
	while at <= #newest do
		local its_id, size = sub(newest, at, at + 15), byte(newest, at + 16)
		if its_id == id or (size > 0 and size == #key and sub(newest, at + ENTRY_HEAD, at + ENTRY_HEAD + size - 1) == key) then
			return its_id
		end
		at = at + ENTRY_HEAD + size
		count = count + 1
	end
	return nil, count < floor(buyer.value / 10000)
end

-- `entry`: id, size of its key, key. What finds no room goes to `spilled`, which begins with its
-- command.
local function newest_add(buyer, name, entry, spilled)
	local newest, at, count = buyer.newest, 1, 1
	while at <= #newest and count < NEWEST_KEPT do
		at = at + ENTRY_HEAD + byte(newest, at + 16)
		count = count + 1
	end
	local kept = at - 1
	while at <= #newest do
		local size = byte(newest, at + 16)
		if size > 0 then
			spilled[#spilled + 1] = name .. ' ' .. sub(newest, at + ENTRY_HEAD, at + ENTRY_HEAD + size - 1)
			spilled[#spilled + 1] = sub(newest, at, at + 15)
		end
		at = at + ENTRY_HEAD + size
	end
	buyer.newest = entry .. (kept < #newest and sub(newest, 1, kept) or newest)
end

-- Whether it was there.
local function newest_remove(buyer, id)
	local newest, at = buyer.newest, 1
	while at <= #newest do
		local next = at + ENTRY_HEAD + byte(newest, at + 16)
		if sub(newest, at, at + 15) == id then
			buyer.newest = sub(newest, 1, at - 1) .. sub(newest, next)
			return true
		end
		at = next
	end
	return false
end

-- The records of a buyer's newest orders, by id; and the ids, newest first, from the third on.
local function newest_records(key, buyer)
	local ids, newest, at = {'HMGET', key .. ':o'}, buyer.newest, 1
	while at <= #newest do
		ids[#ids + 1] = sub(newest, at, at + 15)
		at = at + ENTRY_HEAD + byte(newest, at + 16)
	end
	return #ids > 2 and records_of(ids) or {}, ids
end

-- `withdrawn`: they are not for sale again.
local function return_units(lot, quantity, confirmed, withdrawn)
	if confirmed then
		lot.confirmed = lot.confirmed - quantity
	else
		lot.held = lot.held - quantity
	end
	if withdrawn then
		lot.withdrawn = lot.withdrawn + quantity
	else
		lot.available = lot.available + quantity
		lot.version = lot.version + 1
	end
	lot.changed = true
end

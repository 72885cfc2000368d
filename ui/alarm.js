// What an operator must not miss is said on top of the page, in the tab's title and icon, and heard where sound is on.
import { byId, colour, say } from "/assets/page.js";

const AGAIN_MS = 4000;
const STATES = { open: ["●", "green"], paused: ["‖", "orange"], armed: ["◐", "blue"], draft: ["○", "grey"], ended: ["■", "grey"] };
let audio = null, seen = "", ringing = null;

function beep() {
	if (!audio)
		return;
	const tone = audio.createOscillator(), volume = audio.createGain();

	tone.frequency.value = 880;
	volume.gain.setValueAtTime(0.2, audio.currentTime);
	volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.6);
	tone.connect(volume).connect(audio.destination);
	tone.start();
	tone.stop(audio.currentTime + 0.6);
}

/** Said and heard until it is over or somebody has seen it; the same text is one alarm. "": none. */
export function alarm(text) {
	if (text === "")
		seen = "";
	const rings = text !== "" && text !== seen;

	say(byId("alarm-text"), text);
	byId("alarm").hidden = text === "";
	byId("alarm-seen").hidden = !rings;
	document.body.classList.toggle("alarmed", rings);
	if (rings && !ringing) {
		beep();
		ringing = setInterval(beep, AGAIN_MS);
	} else if (!rings) {
		clearInterval(ringing);
		ringing = null;
	}
}

byId("alarm-seen").addEventListener("click", () => {
	seen = byId("alarm-text").textContent;
	alarm(seen);
});
// A browser lets a page be heard only after somebody has touched it.
byId("sound").addEventListener("click", (event) => {
	audio = audio ? (audio.close(), null) : new AudioContext();
	event.target.setAttribute("aria-pressed", String(!!audio));
	beep();
});

const icon = document.querySelector("link[rel=icon]");
let drawn = "";

/** The tab's title and icon: the state as a sign and a colour, and the words. */
export function showInTab(state, words) {
	const [sign, hue] = STATES[state] ?? ["○", "grey"], alarmed = document.body.classList.contains("alarmed");
	const look = `${alarmed ? "red" : hue}`;

	document.title = `${alarmed ? "! " : ""}${sign} ${words}`;
	if (look === drawn)
		return;
	drawn = look;
	icon.type = "image/svg+xml";
	icon.href = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${colour(look)}"/></svg>`)}`;
}

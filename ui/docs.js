// Swagger UI over this server's own document. No other host is asked for anything: the online validator is off, and the server's
// Content-Security-Policy would not let it be reached.
"use strict";

// Light or dark as the system is, also when that changes while the page is open.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

window.SwaggerUIBundle({
	url: "/openapi.json",
	dom_id: "#swagger-ui",
	presets: [window.SwaggerUIBundle.presets.apis],
	layout: "BaseLayout",
	validatorUrl: null,
	deepLinking: true,
	defaultModelsExpandDepth: 0,
	displayRequestDuration: true,
});

// Swagger UI over this server's own document. No other host is asked for anything: the online validator is off, and the server's
// Content-Security-Policy would not let it be reached.
"use strict";

window.SwaggerUIBundle({
	url: "/openapi.json",
	dom_id: "#swagger-ui",
	presets: [window.SwaggerUIBundle.presets.apis],
	layout: "BaseLayout",
	validatorUrl: null,
	deepLinking: true,
	defaultModelsExpandDepth: 0,
	displayRequestDuration: true,
	showExtensions: true, // x-listener: where an operation exists
});

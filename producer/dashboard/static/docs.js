// Show the OpenAPI document with Swagger UI; nothing is loaded from, or sent to, another site.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});

// The manifests. What is not here is not asked for: no host at install, no tabs, no history, no activeTab.
const KEY =
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA34F6qj37a+C8pBTfkY0mabbq2Rb0DFYmK3a0JdLlrXFc3mnQgzeFpVTjP9z5hliuEchgs61NmwAeXBysGDl/OxaJOGrIQpoZFmoV+rbHLk0HwNYUAZnAlxI4JbahND8HoCFiYYOS2OUVccRE/5lQh/maFlaBhhFRWLeXLoOFUZjTK1GIlz0jfz2/E79huHlDqu4o0MURsBQMGwxvAPHPUHwkx2+kTa+Q9jDHrqLtry6LsGFC9VlTSFHOE47wq5nfw1jaHlb3xf54wka0hv+/CRUsmtdhLDIotsPurzdbQJ1Z2KbzeSLDDyOpAyuoTvowMoQSvMp1ad1BVGnyBcL7bwIDAQAB";
const GECKO_ID = "browser@overt.invalid";
const ICONS = { 16: "icons/16.png", 32: "icons/32.png", 48: "icons/48.png", 128: "icons/128.png" };

/** Gives the manifest for a browser; `version` is the package's. */
export function manifestFor(browser, version) {
  const common = {
    manifest_version: 3,
    name: "__MSG_name__",
    description: "__MSG_description__",
    default_locale: "en",
    version,
    icons: ICONS,
    action: { default_popup: "popup.html", default_icon: ICONS, default_title: "__MSG_badgeOff__" },
    options_ui: { page: "options.html", open_in_tab: true },
    // alarms: to notice that a study has ended; scripting: to register the content script for what was granted.
    permissions: ["alarms", "nativeMessaging", "scripting", "storage"],
    optional_host_permissions: ["http://*/*", "https://*/*"],
    incognito: "not_allowed",
    content_security_policy: {
      // Without the explicit address Firefox would turn ws into wss; without the rest a bug could speak elsewhere.
      extension_pages:
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src ws://127.0.0.1:*; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  };
  if (browser === "firefox") {
    return {
      ...common,
      background: { scripts: ["worker.js"], type: "module" },
      browser_specific_settings: {
        gecko: {
          id: GECKO_ID,
          strict_min_version: "140.0",
          data_collection_permissions: {
            required: ["none"],
            optional: ["websiteActivity", "websiteContent"],
          },
        },
      },
    };
  }
  return {
    ...common,
    key: KEY,
    minimum_chrome_version: "120",
    background: { service_worker: "worker.js", type: "module" },
  };
}

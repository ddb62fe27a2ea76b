import assert from "node:assert/strict";
import { test } from "node:test";
import { contentClass, lengthBucket, looksLikeCard } from "../src/shared/classify.ts";
import { globMatcher } from "../src/shared/globs.ts";
import { originMatches, originOf, patternFor } from "../src/shared/origins.ts";
import { routeTemplate } from "../src/shared/routes.ts";
import { classesSecret, completesSecret, namesSecret, saysNothing } from "../src/shared/secret_names.ts";
import { asSteps, simplify } from "../src/shared/trail.ts";

const O = "https://t.example";

test("a route keeps the names of places and nothing that says about what", () => {
  const cases: [string, string][] = [
    ["/orders/4711/edit", "/orders/:id/edit"],
    ["/page/CANPATHSEG?token=CANQTOKEN#CANHASH", "/page/:id?token"],
    ["/users/9f8b3c2a-1111-4222-8333-444455556666", "/users/:id"],
    ["/lab/tree/Untitled.ipynb", "/lab/tree/:id"],
    ["/api/v2/settings;jsessionid=AAAA", "/api/v2/settings"],
    ["/reset/deadbeefcafe", "/reset/:id"],
    ["/a%20name/x", "/:id/x"],
    ["/list?filter=Alice&Zoe%20M=1&q=a%26b", "/list?filter&q"],
    ["/", "/"],
  ];
  for (const [path, route] of cases) assert.equal(routeTemplate(O, O + path), O + route);
});

test("a frame without an address of its own has the bare origin", () => {
  assert.equal(routeTemplate(O, "about:srcdoc"), `${O}/`);
  assert.equal(routeTemplate(O, "https://t.example.evil.example/secret"), `${O}/`);
});

test("an origin matches as a whole, port included", () => {
  assert.ok(originMatches("https://t.example:8443", "https://t.example:8443"));
  assert.ok(originMatches("https://*.t.example", "https://a.b.t.example"));
  for (const other of [
    "https://t.example",
    "http://t.example:8443",
    "https://t.example:84430",
    "https://t.example:8443.evil.example",
  ]) {
    assert.ok(!originMatches("https://t.example:8443", other), other);
  }
  assert.ok(!originMatches("https://*.t.example", "https://t.example"));
  assert.ok(!originMatches("https://*.t.example", "https://evil-t.example"));
  assert.ok(!originMatches("https://*.t.example", "https://a.t.example:8443"));
});

test("a permission pattern has its port only where the browser reads it", () => {
  assert.equal(patternFor("http://127.0.0.1:8080", true), "http://127.0.0.1:8080/*");
  assert.equal(patternFor("http://127.0.0.1:8080", false), "http://127.0.0.1/*");
  assert.equal(patternFor("https://*.t.example", true), "https://*.t.example/*");
  for (const wrong of [
    "*://*",
    "https://*",
    "file:///etc",
    "<all_urls>",
    "https://a/b",
    "https://a*b.example",
  ]) {
    assert.equal(patternFor(wrong, true), null, wrong);
  }
});

test("only addresses of the web have an origin", () => {
  assert.equal(originOf("https://a.example/x?y"), "https://a.example");
  for (const none of [undefined, "about:blank", "chrome://version", "null", "file:///x"])
    assert.equal(originOf(none), null);
});

test("values have classes and lengths, never themselves", () => {
  const cases: [string, string, string][] = [
    ["", "empty", "0"],
    ["Anna Müller", "words", "5-16"],
    ["a@b.example", "email", "5-16"],
    ["+49 30 1234567", "phone", "5-16"],
    ["2026-02-01", "date", "5-16"],
    ["https://a.example/x", "url", "17-64"],
    ["12", "digits", "1-4"],
    ["x = 3;", "text", "5-16"],
    ["word ".repeat(60), "words", "257+"],
  ];
  for (const [value, kind, length] of cases)
    assert.deepEqual([contentClass(value), lengthBucket(value)], [kind, length]);
});

test("a card's number is known by its check digit", () => {
  assert.ok(looksLikeCard("4111 1111 1111 1111"));
  assert.ok(!looksLikeCard("4111 1111 1111 1112"));
  assert.ok(!looksLikeCard("order 4111111111111111"));
});

test("names of secret fields are known in several languages and spellings", () => {
  const secret =
    "password newPassword user_pwd pin cardPin one-time-code otpCode Kennwort Passwort-wiederholen Kreditkartennummer " +
    "cvc2 pswd userpw dbpass newpin accesstoken vcode apisecret otpcode verifyCode exp_month authentication-code " +
    "api_key clientSecret mot-de-passe contraseña пароль 密码 パスワード TOTP tan iban";
  for (const name of secret.split(" ")) assert.ok(namesSecret(name), name);
  const told =
    "Enter the 6-digit code|Der sechsstellige Code|The code that we sent you|Code aus Ihrer App|Log-in code|Access code";
  for (const name of told.split("|")) assert.ok(namesSecret(name), name);
  const languages =
    "Mot de passe|Code d'accès|Code de vérification|Numéro de carte|Código de verificación|Código de segurança|Número de tarjeta|" +
    "Contraseña|CONTRASENA|Palavra-passe|Senha|Codice di sicurezza|Numero della carta|Wachtwoord|Beveiligingscode|Lösenord|" +
    "Engångskod|Kortnummer|Adgangskode|Passord|Salasana|Kertakäyttökoodi|Hasło|Kod weryfikacyjny|Numer karty|Heslo|" +
    "Ověřovací kód|Číslo karty|Jelszó|Biztonsági kód|Şifre|ŞİFRENİZ|Doğrulama kodu|Kart numarası|Parolă|Lozinka|Geslo|Mật khẩu|" +
    "Kata sandi|Пароль|Код подтверждения|Номер карты|Код з смс одноразовий|Κωδικός πρόσβασης|ΚΩΔΙΚΟΣ ΠΡΟΣΒΑΣΗΣ|Κωδικός|סיסמה|" +
    "קוד אימות|كلمة المرور|كلمة السر|رمز التحقق|گذرواژه|رمز عبور|पासवर्ड|รหัสผ่าน|请输入密码|短信验证码|银行卡号|パスワードを入力|ﾊﾟｽﾜｰﾄﾞ|" +
    "認証コード|暗証番号|비밀번호를 입력|인증번호|ＰＩＮ|Bestaetigungscode|pushTAN|Recovery phrase|Mother's maiden name|Security answer|" +
    "Three digits on the back|MM/YY|MM / JJ|" +
    "Long number across the front|Last three digits on the signature strip|Valid thru|Kartenprüfnummer|Number shown on your card reader|" +
    "Passnumber|Codice segreto|Firma electrónica|Assinatura eletrônica|Sicherheitsfragen|Question secrète|秘密の質問の答え|" +
    "Memorable place|Geburtsname der Mutter|What was the name of your first pet?|Steuer-ID|DNI / NIE|BSN|CPF|Aadhaar number|マイナンバー|" +
    "National Insurance number|T.C. Kimlik No|Rodné číslo|Signing key|Deploy key|Pre-shared key|Network security key|WLAN-Schlüssel|Clé Wi-Fi|" +
    "WPA2 key|Setup key|Pairing code|HMAC key|Master key|Bearer|Code d'activation|Código recibido por SMS|Κωδικός επιβεβαίωσης|PUK|" +
    "Safe combination|Code word asked on the phone|Losungswort|Number from your authenticator|Two-step verification|Bot credentials|Your 16-digit number|Kod z wiadomości SMS|Code uit de e-mail|Swipe card|Code from the e-mail|Digits from the text message|Tax file number|NRIC|Room safe code|" +
    "VPN group key|SNMP community string|პაროლი|கடவுச்சொல்|Nenosiri|Құпиясөз|Visitor password";
  for (const name of languages.split("|")) assert.ok(namesSecret(name), name);
  const plainElsewhere =
    "Code postal|Código postal|Codice postale|Kod pocztowy|Posta kodu|Ταχυδρομικός κωδικός|Почтовый индекс|מיקוד|الرمز البريدي|" +
    "邮政编码|郵便番号|우편번호|รหัสไปรษณีย์|पिन कोड|DD/MM/YYYY|MM/YYYY|Código de cliente|Kundennummer|Numéro de commande|has long text|the slot|" +
    "Token ring segment|Secret Santa budget|Seed catalogue|Random seed|Tan lines|Liczba dni|Nombre del niño|Boarding pass number|Pass mark|Pass-through cost|Shared keyboard|First carrier|Código de receta|Token limit|Pin count|Footpath|" +
    "Class name|Souvenir|Nationality|Schlüsselübergabe am|Clé de répartition|Key account manager|Primary key column|Combination therapy";
  for (const name of plainElsewhere.split("|")) assert.ok(!namesSecret(name), name);
  const plain =
    "email fullname subject spinner opinion shipping tangent company message passenger compass title step1 " +
    "order-code newpassenger bypass spinner2 expiry month_year userpost postcode promo-code country-code pincode 8-stellige-Kundennummer";
  for (const name of plain.split(" ")) assert.ok(!namesSecret(name), name);
  assert.ok(completesSecret("section-a cc-number"));
  assert.ok(completesSecret("one-time-code"));
  assert.ok(!completesSecret("email"));
  for (const classes of ["form-control otp-input", "Password__field", "pincode", "x cvc"])
    assert.ok(classesSecret(classes), classes);
  for (const classes of ["pin", "token-input", "passenger", "mapping", ""])
    assert.ok(!classesSecret(classes), classes);
});

test("globs of a study match whole names, without case", () => {
  const matches = globMatcher(["iban", "*_pin", "a.b?"]);
  for (const name of ["IBAN", "card_pin", "a.bc"]) assert.ok(matches(name), name);
  const classes = globMatcher(["x[0-9]", "[!a]z", "q[", "w.$"]);
  for (const name of ["X7", "bz", "q[", "w.$"]) assert.ok(classes(name), name);
  for (const name of ["xa", "az", "q", "wa$"]) assert.ok(!classes(name), name);
  assert.ok(globMatcher(["[z-a]"])("anything"));
  for (const name of ["ibans", "pin", "axbc"]) assert.ok(!matches(name), name);
  assert.ok(!globMatcher([])(""));
});

test("a trail keeps corners and leaves out what lies on the way", () => {
  const line = Array.from({ length: 50 }, (_, at) => ({ t: at * 50, x: at * 10, y: 0 }));
  assert.deepEqual(asSteps(simplify(line, 3)), [
    [0, 0, 0],
    [2450, 490, 0],
  ]);
  const corner = [...line, { t: 2500, x: 490, y: 200 }];
  assert.equal(simplify(corner, 3).length, 3);
});

test("labels that say nothing by themselves", () => {
  const nothing = "|*|2.|Code|Code:|Código|コード|Number *|Значение|Réponse|Word #1|editor content;Press Alt";
  const something =
    "Zip code|Word|Wort für Wort|Ticket number|Antwortzeit|Postleitzahl|パスワード|Editor|Zeile 1";
  for (const label of nothing.split("|")) assert.ok(saysNothing(label), label);
  for (const label of something.split("|")) assert.ok(!saysNothing(label), label);
});

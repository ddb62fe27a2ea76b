;;; overt.el --- Opt-in capture of how you work  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The overt authors

;; Author: The overt authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, convenience
;; URL: https://overt.invalid/
;; SPDX-License-Identifier: MIT

;; Permission is hereby granted, free of charge, to any person obtaining a copy
;; of this software and associated documentation files (the "Software"), to
;; deal in the Software without restriction, including without limitation the
;; rights to use, copy, modify, merge, publish, distribute, sublicense, and/or
;; sell copies of the Software, and to permit persons to whom the Software is
;; furnished to do so, subject to the following conditions:
;;
;; The above copyright notice and this permission notice shall be included in
;; all copies or substantial portions of the Software.
;;
;; THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
;; IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
;; FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT.  IN NO EVENT SHALL THE
;; AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
;; LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING
;; FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
;; IN THE SOFTWARE.

;;; Commentary:

;; Captures editing for studies that you have joined with `overt join', in the
;; files that those studies ask for, and nowhere else.  What is captured stays
;; encrypted on your machine, where you can look at it and forget it.
;;
;; Turn it on in every file with `global-overt-mode'; the mode line shows
;; " overt:on" while a file is captured.  Commands: `overt-pause',
;; `overt-resume', `overt-forget', `overt-why', `overt-review', `overt-status'.
;;
;; This is a client of its own, beside Eglot or lsp-mode: those run one server
;; per buffer, or send late.  It binds no key and changes no command.  Nothing
;; here ever waits for the sidecar while you type.

;;; Code:

(require 'jsonrpc)
(require 'subr-x)
(require 'url-util)

(defgroup overt nil
  "Opt-in capture of how you work."
  :group 'tools
  :prefix "overt-")

(defcustom overt-command '("overt")
  "How overt is started: a program and its first arguments."
  :type '(repeat string)
  :risky t)

(defcustom overt-forget-minutes 10
  "How many minutes `overt-forget' forgets when it is not told."
  :type 'number)

(defconst overt-version "0.1.0"
  "This plugin's version; it is released together with the sidecar.")

(defconst overt--restart-after '(0.5 2 8)
  "Seconds before each restart of a sidecar that ended by itself.
After the last one it is left alone.")

(defconst overt--healthy-seconds 60
  "A sidecar that lived so long is in good health: its restarts begin anew.")

(defconst overt--window-bytes 32768
  "So much is sent at most before the sidecar has answered.
Half of what a pipe holds: a sidecar that hangs never makes Emacs wait.")

(defconst overt--queue-bytes (* 32 1024 1024)
  "So much waits at most for a sidecar that does not read.")

(defvar overt-global-mode-line t
  "Non-nil while the mode line shows the sign; for packages that show their own.")

;;;; State

(defvar overt--connection nil "The connection to the sidecar, while it runs.")
(defvar overt--status nil "What the sidecar last told of itself, a plist.")
(defvar overt--state 'stopped
  "One of `stopped', `starting', `ready', `crashed' and `failed'.")
(defvar overt--problem nil "One sentence: why the sidecar does not run.")
(defvar overt--crashes 0 "How often the sidecar ended by itself.")
(defvar overt--started 0 "When the sidecar was started, `float-time'.")
(defvar overt--timer nil "The timer of the next restart.")

(defvar overt--queue nil "Messages that wait, oldest first: (BYTES . THUNK).")
(defvar overt--queue-end nil "The last cell of the queue.")
(defvar overt--queued 0 "Bytes in the queue.")
(defvar overt--unanswered 0 "Bytes sent since the sidecar last answered.")
(defvar overt--asked nil "Non-nil while an answer is awaited.")

(defvar-local overt--uri nil "The buffer's URI while it is captured, else nil.")
(defvar-local overt--document-version 0 "The version that was last told.")
(defvar-local overt--refusals nil "Why the buffer is not captured: plists.")
(defvar-local overt--before nil
  "What the next change will replace: (BEG END BEG-PLACE END-PLACE TEXT).")
(defvar-local overt--tick nil "The `buffer-chars-modified-tick' of the text that was last told.")
(defvar-local overt--line-cache nil "A known place: (POSITION . LINE).")
(defvar-local overt--told-selection nil "The selection that was last told.")
(defvar-local overt--told-view nil "The lines in view that were last told.")
(defvar-local overt--saving nil "Non-nil while the buffer is being saved.")

(defvar overt-mode)
(defvar global-overt-mode)

;;;; Sending, without ever waiting

(defun overt--size (params)
  "Guess how many bytes PARAMS take on the wire; rather too many."
  (cond ((stringp params) (+ 8 (* 2 (string-bytes params))))
        ((consp params)
         (let ((sum 4))
           (while (consp params)
             (setq sum (+ sum (overt--size (pop params)))))
           sum))
        ((vectorp params) (apply #'+ 8 (mapcar #'overt--size params)))
        (t 24)))

(defun overt--drain ()
  "Send what waits, as long as there is room."
  (while (and overt--queue overt--connection
              (eq (process-status (jsonrpc--process overt--connection)) 'run)
              (or (zerop overt--unanswered)
                  (< (+ overt--unanswered (caar overt--queue))
                     overt--window-bytes)))
    (let ((next (pop overt--queue)))
      (setq overt--queued (- overt--queued (car next))
            overt--unanswered (+ overt--unanswered (car next)))
      (funcall (cdr next))))
  (when (and overt--connection (not overt--asked)
             (> overt--unanswered (/ overt--window-bytes 4)))
    (overt--ask-progress)))

(defun overt--ask-progress ()
  "Have the sidecar say that it has read so far."
  (let ((sent overt--unanswered)
        (connection overt--connection))
    (setq overt--asked t)
    (jsonrpc-async-request
     connection :overt/status (make-hash-table)
     :timeout nil
     :success-fn (lambda (_) (overt--progress connection sent))
     :error-fn (lambda (_) (overt--progress connection sent)))))

(defun overt--progress (connection sent)
  "Note that CONNECTION has read SENT bytes, and go on."
  (when (eq connection overt--connection)
    (setq overt--asked nil
          overt--unanswered (max 0 (- overt--unanswered sent)))
    (overt--drain)))

(defun overt--post (size thunk)
  "Call THUNK to send SIZE bytes, once there is room."
  (when overt--connection
    (let ((cell (list (cons size thunk))))
      (if overt--queue
          (setcdr overt--queue-end cell)
        (setq overt--queue cell))
      (setq overt--queue-end cell))
    (setq overt--queued (+ overt--queued size))
    (if (> overt--queued overt--queue-bytes)
        (overt--fail "the sidecar does not read what it is sent.")
      (overt--drain))))

(defun overt--notify (method params)
  "Send the notification METHOD with PARAMS."
  (overt--post (+ 120 (overt--size params))
               (lambda ()
                 (when overt--connection
                   (jsonrpc-notify overt--connection method params)))))

(defun overt--request (method params callback)
  "Send the request METHOD with PARAMS; CALLBACK gets the result.
What is wrong is shown."
  (if (not (eq overt--state 'ready))
      (message "overt: %s" (or overt--problem "the sidecar is not running."))
    (let ((connection overt--connection))
      (overt--post
       (+ 120 (overt--size params))
       (lambda ()
         (jsonrpc-async-request
          connection method (or params (make-hash-table))
          :timeout nil
          :success-fn callback
          :error-fn (lambda (problem)
                      (message "overt: %s" (plist-get problem :message)))))))))

;;;; The sidecar

(defun overt--remote-p ()
  "Whether this Emacs edits the current buffer on another machine."
  (and default-directory (file-remote-p default-directory) t))

(defun overt--start ()
  "Start the sidecar, if it is not there."
  (when (memq overt--state '(stopped failed))
    (setq overt--crashes 0)
    (overt--launch)))

(defun overt--launch ()
  "Start the process and say hello."
  (let* ((default-directory (expand-file-name "~/"))
         (program (executable-find (car overt-command))))
    (if (not program)
        (overt--fail (format "`%s' can't be run; `overt doctor' in a terminal says more."
                             (car overt-command)))
      (setq overt--started (float-time)
            overt--queue nil overt--queued 0 overt--unanswered 0 overt--asked nil
            overt--state 'starting overt--problem nil)
      (condition-case problem
          (overt--connect program)
        (error (overt--fail (format "the sidecar could not be started: %s."
                                    (error-message-string problem))))))))

(defun overt--connect (program)
  "Start PROGRAM and say hello to it."
  (let ((process (let ((process-connection-type nil))
                   (make-process :name "overt" :noquery t :connection-type 'pipe
                                 :coding 'utf-8-emacs-unix
                                 :command (append (list program) (cdr overt-command) '("lsp"))
                                 :stderr (get-buffer-create " *overt-errors*")))))
    (when-let ((errors (get-buffer-process " *overt-errors*")))
      (set-process-query-on-exit-flag errors nil))
    (setq overt--connection
          (make-instance 'jsonrpc-process-connection
                         :name "overt" :process process
                         ;; Else it keeps a copy of what is typed.
                         :events-buffer-scrollback-size 0
                         :notification-dispatcher #'overt--notified
                         :request-dispatcher #'ignore
                         :on-shutdown #'overt--ended))
    (let ((connection overt--connection))
      (jsonrpc-async-request
       connection :initialize
       (list :processId (emacs-pid)
             :clientInfo (list :name "Emacs" :version emacs-version)
             :rootUri nil
             :capabilities (list :general (list :positionEncodings ["utf-32"]))
             :initializationOptions (list :overt (list :status t)))
       :timeout nil
       :success-fn (lambda (_)
                     (when (eq connection overt--connection)
                       (jsonrpc-notify connection :initialized (make-hash-table))
                       (setq overt--state 'ready)
                       (force-mode-line-update t)))
       :error-fn (lambda (_) (overt--fail "the sidecar did not say hello."))))))

(defun overt--forget-connection ()
  "Let go of the connection, and of every buffer that was captured."
  (setq overt--connection nil overt--status nil overt--queue nil overt--queued 0)
  (overt--each-buffer (lambda () (setq overt--uri nil overt--refusals nil)))
  (force-mode-line-update t))

(defun overt--fail (problem)
  "Give up for PROBLEM, a sentence; say so once."
  (let ((connection overt--connection))
    (setq overt--state 'failed overt--problem problem)
    (overt--forget-connection)
    (when (and connection (process-live-p (jsonrpc--process connection)))
      (delete-process (jsonrpc--process connection))))
  (message "overt: capture is off; `M-x overt-status' says why."))

(defun overt--ended (connection)
  "The process of CONNECTION has ended."
  (when (eq connection overt--connection)
    (overt--forget-connection)
    (when (> (- (float-time) overt--started) overt--healthy-seconds)
      (setq overt--crashes 0))
    (let ((delay (nth overt--crashes overt--restart-after)))
      (setq overt--crashes (1+ overt--crashes))
      (cond ((not global-overt-mode) (setq overt--state 'stopped))
            (delay (setq overt--state 'crashed
                         overt--timer (run-at-time delay nil #'overt--restart)))
            (t (overt--fail (format "the sidecar has ended %d times." overt--crashes)))))))

(defun overt--restart ()
  "Start the sidecar after a crash."
  (when (and (eq overt--state 'crashed) global-overt-mode)
    (overt--launch)))

(defun overt--stop ()
  "End the sidecar, once everything is on disk."
  (when overt--timer (cancel-timer overt--timer))
  (overt--each-buffer #'overt--close)
  (let ((connection overt--connection))
    (setq overt--state 'stopped overt--connection nil)
    (overt--forget-connection)
    (when connection
      ;; The end of input is the end of the session: the sidecar brings everything to disk first.
      (process-send-eof (jsonrpc--process connection)))))

(defun overt--notified (_connection method params)
  "Take the notification METHOD with PARAMS."
  (when (eq method 'overt/statusChanged)
    (setq overt--status params)
    (if (equal (plist-get params :state) "capturing")
        (overt--each-buffer #'overt--check)
      (overt--each-buffer #'overt--close))
    (force-mode-line-update t)))

(defun overt--each-buffer (act)
  "Call ACT in each buffer where overt is on."
  (dolist (buffer (buffer-list))
    (when (buffer-local-value 'overt-mode buffer)
      (with-current-buffer buffer (funcall act)))))

;;;; Documents

(defun overt--document ()
  "Give the buffer whose text and file these are: of an indirect buffer, its base.
All that is known of a document is kept there.  An indirect buffer may
hold an old copy of it."
  (or (buffer-base-buffer) (current-buffer)))

(defun overt--file ()
  "Give the file that is edited here, or nil."
  (buffer-file-name (overt--document)))

(defun overt--captured-p ()
  "Whether what is edited here is captured."
  (and (buffer-local-value 'overt--uri (overt--document)) t))

(defun overt--buffer-uri ()
  "Give the URI of the buffer's file."
  (concat "file://" (url-hexify-string (expand-file-name (overt--file)) url-path-allowed-chars)))

(defun overt--eligible-p ()
  "Whether the buffer is in view, and its file on this machine."
  (and buffer-file-name (not (buffer-base-buffer)) (not (overt--remote-p)) enable-multibyte-characters
       (get-buffer-window nil t)))

(defun overt--capturing-p ()
  "Whether anything is captured at all now."
  (and (eq overt--state 'ready) (equal (plist-get overt--status :state) "capturing")))

(defun overt--text ()
  "Give the whole text, as the file has it."
  (overt--encode (save-restriction (widen) (buffer-substring-no-properties (point-min) (point-max)))))

(defun overt--encode (text)
  "Give TEXT with the line ends of the file."
  (pcase (coding-system-eol-type buffer-file-coding-system)
    (1 (string-replace "\n" "\r\n" text))
    (2 (string-replace "\n" "\r" text))
    (_ text)))

(defun overt--check ()
  "Ask whether the buffer's file is captured, and begin or end with it.
Its text is sent only after a yes."
  (when (and (overt--capturing-p) (overt--eligible-p))
    (let ((buffer (current-buffer))
          (uri (overt--buffer-uri))
          (known overt--uri))
      (overt--request
       :overt/why (list :uri uri)
       (lambda (answer)
         (when (buffer-live-p buffer)
           (with-current-buffer buffer
             (when (and overt-mode buffer-file-name (equal uri (overt--buffer-uri)))
               (overt--decide uri known answer)))))))))

(defun overt--decide (uri known answer)
  "Follow ANSWER about URI; KNOWN was captured when it was asked."
  (let* ((captured (eq (plist-get answer :captured) t))
         (refusals (append (plist-get answer :refusals) nil)))
    (setq overt--refusals refusals)
    (when (and overt--uri (equal known overt--uri)
               (or (not captured) (not (equal uri overt--uri))))
      (overt--close))
    (when (and (not overt--uri) (or captured (null refusals)))
      (overt--open uri))
    (force-mode-line-update)))

(defun overt--open (uri)
  "Begin with the buffer, under URI."
  (setq overt--uri uri overt--document-version 0 overt--before nil
        overt--tick (buffer-chars-modified-tick) overt--line-cache nil overt--told-selection nil overt--told-view nil)
  (overt--notify :textDocument/didOpen
                 (list :textDocument
                       (list :uri uri :version 0 :text (overt--text)
                             :languageId (string-remove-suffix "-mode" (symbol-name major-mode)))))
  (overt--look))

(defun overt--close ()
  "End with the buffer.  The end of an indirect buffer is not that of the file."
  (when overt--uri
    (unless (buffer-base-buffer)
      (overt--notify :textDocument/didClose (list :textDocument (list :uri overt--uri))))
    (setq overt--uri nil)))

(defun overt--line-of (position)
  "Give the line of POSITION, counted from 0, from a known place nearby."
  (let* ((known (or overt--line-cache (cons 1 0)))
         (from (car known))
         (between (if (<= from position)
                      (overt--newlines from position)
                    (- (overt--newlines position from))))
         (line (+ (cdr known) between)))
    (setq overt--line-cache (cons position line))
    line))

(defun overt--newlines (from to)
  "Count the line ends between FROM and TO."
  (save-excursion
    (let ((count 0))
      (goto-char from)
      (while (search-forward "\n" to t)
        (setq count (1+ count)))
      count)))

(defun overt--place (position)
  "Give POSITION as the protocol has it, in code points."
  (save-restriction
    (widen)
    (save-match-data
      (let ((line (overt--line-of position))
            (inhibit-field-text-motion t))
        (list :line line
              :character (- position (save-excursion (goto-char position) (line-beginning-position))))))))

(defmacro overt--guard (&rest body)
  "Run BODY; a fault of ours ends capture, never the person's command.
Emacs would take a hook that fails out of `after-change-functions' for good."
  (declare (indent 0) (debug t))
  `(condition-case problem
       (progn ,@body)
     (error (overt--fail (format "a fault of the plugin: %s." (car problem))))))

(defmacro overt--in-document (&rest body)
  "Run BODY in the document that is edited here, if it is captured.
Emacs tells of a change only where it is made, be that an indirect buffer."
  (declare (indent 0) (debug t))
  `(overt--guard
     (with-current-buffer (overt--document)
       (when overt--uri ,@body))))

(defun overt--before-change (beg end)
  "Remember what was between BEG and END."
  (overt--in-document
    (overt--catch-up)
    (let ((from (overt--place beg)))
      (setq overt--before (list beg end from (if (= beg end) from (overt--place end))
                                (save-restriction
                                  (widen)
                                  (buffer-substring-no-properties beg end)))
            ;; What lies before the change stays where it is.
            overt--line-cache (cons beg (plist-get from :line))))))

(defun overt--after-change (beg end length)
  "Tell that the text between BEG and END replaced LENGTH characters."
  (overt--in-document
    (let ((before overt--before)
          (text (save-restriction (widen) (buffer-substring-no-properties beg end))))
      (setq overt--before nil overt--tick (buffer-chars-modified-tick))
      (pcase before
        ((and `(,from ,to ,start ,stop ,old)
              (guard (and (= from beg) (= (- to from) length))))
         ;; Text properties change too, and are not told.
         (unless (equal old text)
           (overt--tell start stop text)))
        ;; Some commands announce more than they change, and then change several places.
        (`(,from ,to ,_ ,_ ,old)
         (let ((at (- beg from)))
           (unless (and (<= 0 at) (<= (+ at length) (- to from))
                        (equal text (substring old at (+ at length))))
             (overt--resync))))
        (_ (overt--resync))))))

(defun overt--catch-up ()
  "Tell what was changed silently, or in an indirect buffer where overt is not on."
  (when (and overt--uri (/= overt--tick (buffer-chars-modified-tick)))
    (overt--resync '(unknown . 0))))

(defun overt--tell (start stop text)
  "Tell that TEXT replaced what was between START and STOP."
  (let* ((origin (overt--origin text)))
    (setq overt--document-version (1+ overt--document-version))
    (unless (eq (car origin) 'unknown)
      (overt--notify :overt/origin (list :uri overt--uri :version overt--document-version
                                         :origin (symbol-name (car origin))
                                         :confidence (cdr origin))))
    (overt--notify :textDocument/didChange
                   (list :textDocument (list :uri overt--uri :version overt--document-version)
                         :contentChanges
                         (vector (list :range (list :start start :end stop)
                                       :text (overt--encode text)))))))

(defun overt--resync (&optional origin)
  "Tell the whole text, because a change can't be told alone.
ORIGIN is by whom it is, where that is not the command at hand."
  (when overt--uri
    (setq overt--document-version (1+ overt--document-version)
          overt--tick (buffer-chars-modified-tick) overt--line-cache nil)
    (let ((origin (or origin (overt--origin ""))))
      (unless (eq (car origin) 'unknown)
        (overt--notify :overt/origin (list :uri overt--uri :version overt--document-version
                                           :origin (symbol-name (car origin))
                                           :confidence (cdr origin)))))
    (overt--notify :textDocument/didChange
                   (list :textDocument (list :uri overt--uri :version overt--document-version)
                         :contentChanges (vector (list :text (overt--text)))))))

;;;; Origins

(defconst overt--origins
  '(("\\`\\(undo-redo\\|undo-tree-redo\\|undo-fu-only-redo\\|evil-redo\\)\\'" redo . 100)
    ("yank\\|paste\\|insert-register\\|mouse-2" pasted . 95)
    ("complet\\|corfu\\|company\\|cape-\\|dabbrev\\|hippie-expand\\|yas-\\|tempel\\|expand-abbrev" completion . 90)
    ("indent-region\\|\\`fill-\\|format\\|apheleia\\|tabify\\|whitespace-cleanup\\|delete-trailing" formatter . 90)
    ("\\`\\(save-\\|write-file\\|basic-save\\)" formatter . 70) ; the line end that a file lacked
    ("gptel\\|copilot\\|aider\\|ellama\\|codeium" agent . 80)
    ("\\`\\(self-insert-command\\|newline\\|electric-newline\\|delete-\\|backward-delete\\|kill-\\|open-line\\|org-self-insert\\|c-electric\\|quoted-insert\\)\\|backspace\\'" typed . 100))
  "What made a change, by the name of the command.")

(defun overt--command ()
  "Give the person's command, by the name under which it was chosen."
  (if (memq real-this-command '(nil execute-extended-command execute-extended-command-for-buffer))
      this-command
    real-this-command))

(defun overt--origin (text)
  "Say who made the change that put in TEXT: (ORIGIN . CONFIDENCE)."
  (let ((command (overt--command)))
    (cond
     ((bound-and-true-p revert-buffer-in-progress-p) '(external . 95))
     (undo-in-progress (overt--undo-origin command))
     (overt--saving '(formatter . 70))
     ((or (null command) (not (symbolp command)))
      (if (and command (not (string-empty-p text))) '(typed . 50) '(unknown . 0)))
     (t (or (let ((name (symbol-name command)))
              (cdr (seq-find (lambda (rule) (string-match-p (car rule) name)) overt--origins)))
            '(typed . 70))))))

(defun overt--undo-origin (command)
  "Say whether an undo by COMMAND takes back an undo.
`undo' itself looks at the same table to say Undo or Redo."
  (if (or (and (symbolp command) (string-match-p "redo" (symbol-name command)))
          (and (not undo-no-redo) (consp pending-undo-list)
               (gethash pending-undo-list undo-equiv-table)))
      '(redo . 100)
    '(undo . 100)))

;;;; What else a person does

(defun overt--look ()
  "Tell the selection and the lines in view, where they are new."
  (when overt--uri
    (let ((selection (list (if mark-active (mark t) (point)) (point))))
      (unless (equal selection overt--told-selection)
        (setq overt--told-selection selection)
        (overt--notify :overt/selection
                       (list :uri overt--uri
                             :anchor (overt--place (car selection))
                             :active (overt--place (cadr selection))
                             :cause (overt--cause)))))
    (when-let ((window (get-buffer-window)))
      (let ((view (list (window-start window)
                        (+ (window-start window) (* 65536 (window-body-height window))))))
        (unless (equal view overt--told-view)
          (setq overt--told-view view)
          (let ((first (plist-get (overt--place (min (window-start window) (point-max))) :line)))
            (overt--notify :overt/viewport
                           (list :uri overt--uri :firstLine first
                                 :lastLine (+ first (max 0 (1- (window-body-height window))))))))))))

(defun overt--cause ()
  "Say what moved the selection."
  (cond ((mouse-event-p last-command-event) "mouse")
        ((null real-this-command) "command")
        (t "keyboard")))

(defconst overt--dull-commands '(self-insert-command ignore)
  "Commands whose name says nothing that the edit does not say.")

(defun overt--after-command ()
  "Tell what the command did besides editing.
What is selected and in view is told of the base only."
  (let ((indirect (buffer-base-buffer)))
    (overt--in-document
      (overt--catch-up)
      (let ((command (overt--command)))
        (when (and command (symbolp command) (not (memq command overt--dull-commands))
                   (<= (length (symbol-name command)) 200)
                   (not (string-match-p "[[:cntrl:]]" (symbol-name command))))
          (overt--notify :overt/command (list :command (symbol-name command)))))
      (unless indirect
        (overt--look)))))

(defun overt--focus ()
  "Tell whether Emacs has the focus."
  (when (overt--capturing-p)
    (let ((focused (seq-some (lambda (frame) (eq (frame-focus-state frame) t)) (frame-list))))
      (overt--notify :overt/focus (list :focused (if focused t :json-false))))))

(defun overt--before-save ()
  "Note that a save is under way."
  (setq overt--saving t))

(defun overt--after-save ()
  "Tell that the buffer was saved."
  (setq overt--saving nil)
  (overt--catch-up)
  (when overt--uri
    (if (equal overt--uri (overt--buffer-uri))
        (overt--notify :textDocument/didSave
                       (list :textDocument (list :uri overt--uri) :text (overt--text)))
      (overt--renamed)))
  (overt--check))

(defun overt--renamed ()
  "Tell that the buffer has another file.
Its content goes on there, where that place is captured."
  (when (and overt--uri buffer-file-name (not (equal overt--uri (overt--buffer-uri))))
    (let ((new (overt--buffer-uri)))
      (overt--notify :workspace/didRenameFiles
                     (list :files (vector (list :oldUri overt--uri :newUri new))))
      (setq overt--uri new overt--document-version 0)
      (overt--notify :textDocument/didSave (list :textDocument (list :uri new) :text (overt--text)))
      (overt--check))))

(defun overt--reverted ()
  "The buffer was read anew from its file."
  (when overt--uri
    (setq overt--before nil)
    (let ((revert-buffer-in-progress-p t))
      (overt--resync))))

(defun overt--shown (&rest _)
  "A buffer came into view."
  (when (and (overt--capturing-p) overt-mode (not overt--uri) (not overt--refusals))
    (overt--check)))

;;;; The sign

(defun overt-sign ()
  "Give the mode line's sign for the current buffer.
\" overt:on\" while this buffer is captured, \" overt:-\" while others are,
\" overt:paused\", else \" overt:off\"."
  (cond ((not (and (eq overt--state 'ready) overt--status)) " overt:off")
        ((equal (plist-get overt--status :state) "paused") " overt:paused")
        ((not (overt--capturing-p)) " overt:off")
        ((overt--captured-p) (propertize " overt:on" 'face 'mode-line-emphasis))
        (t " overt:-")))

;;;; Modes

;;;###autoload
(define-minor-mode overt-mode
  "Capture this buffer, where a study that you joined asks for its file.
The mode line shows \" overt:on\" while it is captured.  Use
`global-overt-mode' to turn it on everywhere."
  :lighter (:eval (overt-sign))
  (if overt-mode
      (progn
        (add-hook 'before-change-functions #'overt--before-change nil t)
        (add-hook 'after-change-functions #'overt--after-change nil t)
        (add-hook 'post-command-hook #'overt--after-command nil t)
        (add-hook 'before-save-hook #'overt--before-save -100 t)
        (add-hook 'after-save-hook #'overt--after-save nil t)
        (add-hook 'after-revert-hook #'overt--reverted nil t)
        (add-hook 'after-set-visited-file-name-hook #'overt--renamed nil t)
        (add-hook 'kill-buffer-hook #'overt--close nil t)
        (add-hook 'change-major-mode-hook #'overt--close nil t)
        (add-hook 'window-buffer-change-functions #'overt--shown nil t)
        (overt--check))
    (remove-hook 'before-change-functions #'overt--before-change t)
    (remove-hook 'after-change-functions #'overt--after-change t)
    (remove-hook 'post-command-hook #'overt--after-command t)
    (remove-hook 'before-save-hook #'overt--before-save t)
    (remove-hook 'after-save-hook #'overt--after-save t)
    (remove-hook 'after-revert-hook #'overt--reverted t)
    (remove-hook 'after-set-visited-file-name-hook #'overt--renamed t)
    (remove-hook 'kill-buffer-hook #'overt--close t)
    (remove-hook 'change-major-mode-hook #'overt--close t)
    (remove-hook 'window-buffer-change-functions #'overt--shown t)
    (overt--close)))

(defun overt--turn-on ()
  "Turn on `overt-mode' where a file is edited."
  (when (and (overt--file) (not (overt--remote-p)))
    (overt-mode 1)))

;;;###autoload
(define-globalized-minor-mode global-overt-mode overt-mode overt--turn-on
  :group 'overt
  (if global-overt-mode
      (progn
        (add-function :after after-focus-change-function #'overt--focus)
        (add-hook 'kill-emacs-hook #'overt--leave)
        (overt--start))
    (remove-function after-focus-change-function #'overt--focus)
    (remove-hook 'kill-emacs-hook #'overt--leave)
    (overt--stop)))

(defun overt--leave ()
  "Emacs ends: hand over everything."
  (setq overt--unanswered 0)
  (while (and overt--queue overt--connection)
    (setq overt--unanswered 0)
    (overt--drain))
  (overt--stop))

;;;; Commands

(defun overt--minutes (prefix)
  "Read the number of minutes from PREFIX, or nil."
  (and prefix (prefix-numeric-value prefix)))

;;;###autoload
(defun overt-pause (&optional minutes)
  "Pause all capture on this machine: for MINUTES, or until it is resumed.
Interactively, MINUTES is the prefix argument."
  (interactive (list (overt--minutes current-prefix-arg)))
  (overt--request :overt/pause (and minutes (list :minutes minutes))
                  (lambda (status)
                    (let ((until (plist-get status :pausedUntilMs)))
                      (message "overt: paused on this machine, until %s."
                               (if (numberp until)
                                   (format-time-string "%H:%M" (/ until 1000))
                                 "`M-x overt-resume'"))))))

;;;###autoload
(defun overt-resume ()
  "End the pause."
  (interactive)
  (overt--request :overt/resume nil (lambda (_) (message "overt: the pause has ended."))))

;;;###autoload
(defun overt-forget (&optional minutes)
  "Forget everything of the last MINUTES.
Interactively, MINUTES is the prefix argument; else `overt-forget-minutes'."
  (interactive (list (overt--minutes current-prefix-arg)))
  (let ((span (or minutes overt-forget-minutes)))
    (overt--request :overt/forget (list :minutes span)
                    (lambda (answer)
                      (message "overt: %s events of the last %s minutes forgotten."
                               (plist-get answer :events) span)
                      (overt--each-buffer #'overt--check)))))

;;;###autoload
(defun overt-why ()
  "Say whether this buffer's file is captured, and why not."
  (interactive)
  (unless (overt--file)
    (user-error "This buffer has no file"))
  (overt--request
   :overt/why (list :uri (overt--buffer-uri))
   (lambda (answer)
     (message "overt: this file is %s.%s"
              (if (eq (plist-get answer :captured) t) "captured" "not captured")
              (mapconcat (lambda (refusal)
                           (format "\n  %s [%s]" (plist-get refusal :detail) (plist-get refusal :code)))
                         (plist-get answer :refusals) "")))))

;;;###autoload
(defun overt-status ()
  "Say what is captured now, and why not."
  (interactive)
  (message "overt: %s"
           (cond ((not global-overt-mode) "off; `M-x global-overt-mode' turns it on.")
                 ((not overt--status) (or overt--problem "the sidecar is starting."))
                 ((overt--capturing-p)
                  (if (overt--captured-p) "this file is captured." "capture is on; this file is not captured."))
                 (t (mapconcat (lambda (reason) (plist-get reason :detail))
                               (plist-get overt--status :reasons) " ")))))

;;;###autoload
(defun overt-review ()
  "Open the page with everything that was captured."
  (interactive)
  (let ((default-directory (expand-file-name "~/")))
    (make-process :name "overt-review" :noquery t :connection-type 'pipe
                  :command (append overt-command '("review"))
                  :sentinel (lambda (process _)
                              (when (and (eq (process-status process) 'exit)
                                         (/= 0 (process-exit-status process)))
                                (message "overt: `overt review' did not start; try it in a terminal."))))))

(provide 'overt)
;;; overt.el ends here

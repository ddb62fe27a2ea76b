;;; overt-test.el --- Tests of overt.el  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Run with: emacs -Q --batch -L . -l test/overt-test.el -f ert-run-tests-batch-and-exit
;; What is sent is caught where it would go to the sidecar; tests/editors types in a real Emacs with the real one.

;;; Code:

(require 'ert)
(require 'cl-lib)
(require 'overt)

(defvar overt-test-sent nil "What was sent, newest first: (METHOD . PARAMS).")

(defmacro overt-test-with-buffer (text &rest body)
  "Run BODY in a captured buffer that holds TEXT."
  (declare (indent 1) (debug t))
  `(let ((overt-test-sent nil))
     (cl-letf (((symbol-function 'overt--notify)
                (lambda (method params) (push (cons method params) overt-test-sent))))
       (with-temp-buffer
         (buffer-enable-undo)
         (insert ,text)
         (overt-mode 1)
         (setq overt--uri "file:///t.txt" overt--tick (buffer-chars-modified-tick))
         (unwind-protect (progn ,@body)
           (setq overt--uri nil))))))

(defun overt-test-sign ()
  "Give the sign while capture is on."
  (let ((overt--state 'ready) (overt--status '(:state "capturing")))
    (overt-sign)))

(defun overt-test-apply (text changes)
  "Apply CHANGES, as they were sent, to TEXT; positions count code points."
  (with-temp-buffer
    (insert text)
    (dolist (change changes)
      (let ((range (plist-get change :range)))
        (if (not range)
            (progn (erase-buffer) (insert (plist-get change :text)))
          (cl-flet ((at (place)
                      (goto-char (point-min))
                      (forward-line (plist-get place :line))
                      (+ (point) (plist-get place :character))))
            (let ((start (at (plist-get range :start))) (end (at (plist-get range :end))))
              (delete-region start end)
              (goto-char start)
              (insert (plist-get change :text)))))))
    (buffer-string)))

(defun overt-test-changes ()
  "Give what was sent of the document, oldest first."
  (cl-loop for (method . params) in (reverse overt-test-sent)
           when (eq method :textDocument/didChange)
           append (append (plist-get params :contentChanges) nil)))

(defun overt-test-origins ()
  "Give the origins that were sent, oldest first."
  (cl-loop for (method . params) in (reverse overt-test-sent)
           when (eq method :overt/origin) collect (plist-get params :origin)))

(defmacro overt-test-exact (text &rest body)
  "Check that what is sent while BODY runs on TEXT leads to the same text."
  (declare (indent 1) (debug t))
  `(overt-test-with-buffer ,text
     ,@body
     (should (equal (buffer-string) (overt-test-apply ,text (overt-test-changes))))))

(ert-deftest overt-test-edits-are-exact ()
  (overt-test-exact "one\ntwo\nthree\n"
    (goto-char (point-min)) (insert "naïve 😀 漢\n")
    (goto-char (point-max)) (insert "end")
    (delete-region 3 9)
    (goto-char 5) (insert "x") (delete-char -1)
    (kill-whole-line) (yank)
    (upcase-region (point-min) (point-max))
    (sort-lines nil (point-min) (point-max))
    (transpose-regions 1 3 5 8)
    (subst-char-in-region (point-min) (point-max) ?E ?F)
    (goto-char (point-min)) (while (search-forward "T" nil t) (replace-match "tt"))
    (indent-rigidly (point-min) (point-max) 4)
    (delete-duplicate-lines (point-min) (point-max))
    (erase-buffer) (insert "again\n")))

(ert-deftest overt-test-edits-in-a-narrowed-buffer-are-exact ()
  (overt-test-exact "one\ntwo\nthree\n"
    (narrow-to-region 5 8) (goto-char (point-max)) (insert "!\n?") (delete-region 5 6) (widen)))

(ert-deftest overt-test-random-edits-are-exact ()
  (random "overt")
  (dotimes (_ 20)
    (overt-test-exact "alpha\nbeta 漢字\ngamma 😀\n\n"
      (dotimes (_ 40)
        (let* ((beg (+ 1 (random (buffer-size)))) (end (min (point-max) (+ beg (random 9)))))
          (goto-char beg)
          (pcase (random 4)
            (0 (delete-region beg end))
            (1 (insert (nth (random 4) '("x" "é\n" "\n\n" "😀漢"))))
            (2 (capitalize-region beg end))
            (_ (insert-and-inherit "word "))))
        (when (zerop (buffer-size)) (insert "more\n"))))))

(defmacro overt-test-with-indirect (clone &rest body)
  "Run BODY in an indirect buffer of the current one, that was made with CLONE."
  (declare (indent 1) (debug t))
  `(with-current-buffer (make-indirect-buffer (current-buffer) (generate-new-buffer-name "indirect") ,clone)
     (unwind-protect (progn ,@body) (kill-buffer))))

(ert-deftest overt-test-edits-in-a-clone-are-told-as-they-are-made ()
  (overt-test-exact "one\ntwo\nthree\n"
    (overt-test-with-indirect t
      (narrow-to-region 5 8) (goto-char (point-max)) (insert "!\n?") (delete-region 5 6))
    (insert "end")
    (should (equal (mapcar (lambda (change) (plist-get change :text)) (overt-test-changes)) '("!\n?" "" "end")))
    (should (equal (mapcar (lambda (sent) (plist-get (plist-get (cdr sent) :textDocument) :version))
                           (seq-filter (lambda (sent) (eq (car sent) :textDocument/didChange)) overt-test-sent))
                   '(3 2 1)))))

(ert-deftest overt-test-the-end-of-a-clone-is-not-the-end-of-the-file ()
  (overt-test-with-buffer "text"
    (overt-test-with-indirect t (should (equal (substring-no-properties (overt-test-sign)) " overt:on")))
    (overt-test-with-indirect t (fundamental-mode) (overt-mode 1) (overt-mode 0))
    (should-not (assq :textDocument/didClose overt-test-sent))
    (should overt--uri)
    (overt-test-with-indirect t
      (with-current-buffer (buffer-base-buffer) (overt--close))
      (setq overt-test-sent nil)
      (insert "x")
      (should (equal (overt-test-sign) " overt:-")))
    (should-not overt-test-sent)))

(ert-deftest overt-test-edits-where-overt-is-not-on-are-caught-up-with ()
  (dolist (next (list (lambda () (insert "x")) #'overt--after-command
                      (lambda () (setq buffer-file-name "/t.txt") (overt--after-save) (setq buffer-file-name nil))))
    (overt-test-exact "one\ntwo\n"
      (overt-test-with-indirect nil (goto-char (point-min)) (insert "zero\n"))
      (with-silent-modifications (insert "silent\n"))
      (let ((real-this-command 'yank)) (funcall next))
      (should-not (plist-get (car (overt-test-changes)) :range))
      (should (eq (caar (last overt-test-sent)) :textDocument/didChange)))))

(ert-deftest overt-test-changes-that-are-told-need-no-catching-up ()
  (overt-test-with-buffer "one\ntwo\nthree\n"
    (dolist (change '((insert "x") (kill-whole-line -1) (yank) (upcase-region 1 5) (capitalize-region 1 9) (sort-lines nil 1 9)
                      (transpose-regions 1 3 5 8) (subst-char-in-region 1 9 ?O ?F) (indent-rigidly 1 9 4)
                      (put-text-property 1 5 'face 'bold) (fill-region 1 9) (undo)
                      (translate-region 1 9 (let ((table (make-string 256 ?a))) table))
                      (let ((new (generate-new-buffer "new")))
                        (with-current-buffer new (insert "new text"))
                        (replace-buffer-contents new)
                        (kill-buffer new))))
      (eval change t)
      (undo-boundary)
      (should (equal (list change overt--tick) (list change (buffer-chars-modified-tick)))))))

(ert-deftest overt-test-text-properties-are-no-edit ()
  (overt-test-with-buffer "some text\n"
    (put-text-property 1 5 'face 'bold)
    (should-not (overt-test-changes))))

(ert-deftest overt-test-origins-follow-the-command ()
  (cl-loop for (command origin) in '((self-insert-command "typed") (yank "pasted") (evil-paste-after "pasted")
                                     (completion-at-point "completion") (company-complete-selection "completion")
                                     (indent-region "formatter") (fill-paragraph "formatter")
                                     (eglot-format "formatter") (delete-backward-char "typed"))
           do (overt-test-with-buffer "text"
                (let ((real-this-command command) (this-command command))
                  (goto-char (point-max))
                  (insert "x"))
                (should (equal (list command (list origin)) (list command (overt-test-origins)))))))

(ert-deftest overt-test-no-command-is-unknown ()
  (overt-test-with-buffer "text"
    (let ((real-this-command nil) (this-command nil)) (insert "x"))
    (should-not (overt-test-origins))))

(ert-deftest overt-test-undo-and-redo-are-told-apart ()
  (overt-test-with-buffer ""
    (cl-flet ((run (command)
                (setq this-command command real-this-command command)
                (undo-boundary)
                (call-interactively command)
                (setq last-command this-command)))
      (let ((last-command-event ?x)) (run 'self-insert-command))
      (run 'undo)
      (should (equal (buffer-string) ""))
      (setq last-command 'ignore)
      (run 'undo)
      (should (equal (buffer-string) "x"))
      (should (equal (overt-test-origins) '("typed" "undo" "redo"))))))

(ert-deftest overt-test-line-ends-are-those-of-the-file ()
  (overt-test-with-buffer "one\n"
    (setq buffer-file-coding-system 'utf-8-dos)
    (goto-char (point-max)) (insert "two\n")
    (should (equal "two\r\n" (plist-get (car (overt-test-changes)) :text)))))

(ert-deftest overt-test-nothing-is-sent-of-a-buffer-that-is-not-captured ()
  (overt-test-with-buffer "text"
    (setq overt--uri nil)
    (insert "x") (overt--after-command) (overt--after-save)
    (should-not overt-test-sent)))

(ert-deftest overt-test-a-sidecar-that-hangs-is-sent-no-more-than-a-pipe-holds ()
  (let ((overt--connection 'stuck) (overt--queue nil) (overt--queued 0) (overt--unanswered 0) (overt--asked t)
        (sent 0))
    (cl-letf (((symbol-function 'jsonrpc--process) #'ignore)
              ((symbol-function 'process-status) (lambda (_) 'run)))
    (dotimes (_ 1000) (overt--post 200 (lambda () (setq sent (+ sent 200)))))
    (should (<= sent overt--window-bytes))
    (should (= (+ sent overt--queued) 200000))
    (setq overt--unanswered 0)
    (overt--drain)
    (should (> sent overt--window-bytes)))))

(ert-deftest overt-test-a-fault-of-ours-ends-capture-and-not-the-command ()
  (overt-test-with-buffer "text"
    (let ((overt--state 'ready) (overt--problem nil) (overt--connection nil))
      (cl-letf (((symbol-function 'overt--tell) (lambda (&rest _) (error "Broken"))))
        (insert "x"))
      (should (equal (buffer-string) "textx"))
      (should (eq overt--state 'failed))
      (should (memq 'overt--after-change after-change-functions)))))

(ert-deftest overt-test-no-key-is-bound ()
  (should-not (boundp 'overt-mode-map)))

(ert-deftest overt-test-turning-off-leaves-nothing-behind ()
  (with-temp-buffer
    (let ((before (list before-change-functions after-change-functions post-command-hook before-save-hook)))
      (overt-mode 1)
      (overt-mode 0)
      (should (equal before (list before-change-functions after-change-functions
                                  post-command-hook before-save-hook))))))

(ert-deftest overt-test-the-sign-follows-the-state ()
  (with-temp-buffer
    (let ((overt--state 'ready) (overt--status '(:state "capturing")))
      (should (equal (overt-sign) " overt:-"))
      (setq overt--uri "file:///t.txt")
      (should (equal (substring-no-properties (overt-sign)) " overt:on"))
      (setq overt--status '(:state "paused"))
      (should (equal (overt-sign) " overt:paused"))
      (setq overt--state 'crashed)
      (should (equal (overt-sign) " overt:off")))))

(provide 'overt-test)
;;; overt-test.el ends here
